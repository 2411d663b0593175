//! A device's socket, once the HTTP framework has agreed to the upgrade and let go of it.
//!
//! The framework would keep two buffers of 8 KiB and the state of every middleware for as long as the device is
//! connected, and move each message through its own body and payload streams. Here a connection is one task that
//! holds its actor: what arrives is read into a buffer that all connections of a thread share, and what the actor
//! says is written before it is asked for more.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::Error;
use actix_web::rt::net::TcpStream;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::time::timeout;

use crate::actors::counts::{Count, Counts};

/// Bytes read at once: several reports, or a message of the longest kind in four.
const READ: usize = 16 * 1024;

/// A peer that was told that the connection ends may take so long to end it too. Shut earlier, what it had said and
/// nobody read would make the kernel drop what it was told last.
pub const LINGER: Duration = Duration::from_secs(1);

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// One end reads, the other writes; both on the connection's thread.
type Shared = Rc<RefCell<TcpStream>>;

/// What arrives. A link that broke is at its end.
pub(super) struct Incoming {
    socket: Shared,
    /// Read by the framework already.
    before: Bytes,
}

impl Stream for Incoming {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.before.is_empty() {
            return Poll::Ready(Some(std::mem::take(&mut self.before)));
        }
        let mut socket = self.socket.borrow_mut();
        BUFFER.with_borrow_mut(|buffer| {
            let mut into = ReadBuf::new(buffer);
            let read = ready!(Pin::new(&mut *socket).poll_read(cx, &mut into));
            let arrived = into.filled();
            Poll::Ready((read.is_ok() && !arrived.is_empty()).then(|| Bytes::copy_from_slice(arrived)))
        })
    }
}

/// In the extensions of a request whose answer may take the socket. A framework that reads a request otherwise than as
/// one for an upgrade keeps its socket.
pub struct CanBeTaken;

/// What a connection says, to be written.
pub(super) type Said = Pin<Box<dyn Stream<Item = Result<Bytes, Error>>>>;

/// How a connection goes on when its socket is free.
type Begin = Box<dyn FnOnce(Incoming) -> Said>;

/// Goes with the answer that agrees to an upgrade, and takes the socket when that answer is written.
pub struct Upgraded {
    begin: Begin,
    counts: Counts,
}

impl Upgraded {
    pub(super) fn new(begin: Begin, counts: Counts) -> Self {
        Self { begin, counts }
    }

    /// Begins the connection, as a task of this thread. `before`: what was read behind the request. `held`: what the
    /// connection keeps for as long as it lives.
    pub fn take(self, socket: TcpStream, before: Bytes, held: impl Sized + 'static) {
        let Self { begin, counts } = self;
        let socket = Rc::new(RefCell::new(socket));
        let said = begin(Incoming { socket: Rc::clone(&socket), before });
        let open = Open::new(counts);
        actix_web::rt::spawn(async move {
            let _held = (open, held);
            converse(socket, said).await;
        });
    }
}

/// Counted as long as it lives.
struct Open(Counts);

impl Open {
    fn new(counts: Counts) -> Self {
        counts.add(Count::Sockets);
        Self(counts)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.take(Count::Sockets);
    }
}

/// Writes what is said until that ends or the link breaks; then takes its leave.
async fn converse(socket: Shared, mut said: Said) {
    while let Some(Ok(bytes)) = said.next().await {
        if write(&socket, &bytes).await.is_err() {
            return;
        }
    }
    drop(said);
    // Whoever has gone already is not waited for.
    if poll_fn(|cx| Pin::new(&mut *socket.borrow_mut()).poll_shutdown(cx)).await.is_ok() {
        let mut rest = Incoming { socket, before: Bytes::new() };
        let _ = timeout(LINGER, async { while rest.next().await.is_some() {} }).await;
    }
}

async fn write(socket: &Shared, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        match poll_fn(|cx| Pin::new(&mut *socket.borrow_mut()).poll_write(cx, bytes)).await? {
            0 => return Err(std::io::ErrorKind::WriteZero.into()),
            written => bytes = &bytes[written..],
        }
    }
    Ok(())
}
