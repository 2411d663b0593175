//! A device's WebSocket. The handshake is the library's; behind it frames are read and written here, through one
//! buffer for all devices of a thread, so that a device that is idle holds no buffer at all.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::UrlError;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, client_async_tls_with_config};

use super::frames::{Broken, Frames, Heard, write_frame};

/// Read at once, bytes.
const READ: usize = 256 * 1024;

/// Buffers of the handshake, bytes.
const HANDSHAKE: usize = 1024;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PONG: u8 = 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// One connection.
pub(super) struct Socket {
    stream: MaybeTlsStream<TcpStream>,
    frames: Frames,
    /// Said, and not with the system yet.
    unsent: Vec<u8>,
    /// The key of the next frame's mask.
    mask: u32,
}

impl Socket {
    /// Opens a connection, from `source` where that is given.
    pub async fn open(request: Request, source: Option<IpAddr>, mask: u32) -> Result<Self, Error> {
        let stream = dial(&request, source).await?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default().read_buffer_size(HANDSHAKE).write_buffer_size(0);
        let (socket, _) = client_async_tls_with_config(request, stream, Some(config), None).await?;
        // The server speaks after the hello: nothing is lost with the library's buffer.
        Ok(Self { stream: socket.into_inner(), frames: Frames::default(), unsent: Vec::new(), mask })
    }

    /// Hears what has arrived, at least something. An error is the connection's end.
    pub fn poll_hear(&mut self, cx: &mut Context<'_>, heard: &mut impl FnMut(Heard<'_>)) -> Poll<Result<(), Broken>> {
        let Self { stream, frames, unsent, mask } = self;
        BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            ready!(Pin::new(stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Err(Broken));
            }
            Poll::Ready(frames.feed(read.filled(), &mut |part| match part {
                Heard::Ping(data) => write_frame(unsent, PONG, data, next_mask(mask)),
                other => heard(other),
            }))
        })
    }

    /// Queues a text.
    pub fn say(&mut self, text: &str) {
        write_frame(&mut self.unsent, TEXT, text.as_bytes(), next_mask(&mut self.mask));
    }

    /// Hands on what is queued.
    pub async fn flush(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        self.stream.write_all(&self.unsent).await?;
        self.unsent = Vec::new();
        Ok(())
    }

    /// Takes leave.
    pub async fn close(&mut self) -> io::Result<()> {
        write_frame(&mut self.unsent, CLOSE, &1000_u16.to_be_bytes(), next_mask(&mut self.mask));
        self.flush().await?;
        std::future::poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await
    }
}

fn next_mask(mask: &mut u32) -> u32 {
    // Marsaglia's xorshift: a mask hides nothing, it differs from frame to frame.
    let mut next = *mask | 1;
    next ^= next << 13;
    next ^= next >> 17;
    next ^= next << 5;
    *mask = next;
    next
}

async fn dial(request: &Request, source: Option<IpAddr>) -> Result<TcpStream, Error> {
    let host = request.uri().host().ok_or(Error::Url(UrlError::NoHostName))?;
    let secure = request.uri().scheme_str() == Some("wss");
    let port = request.uri().port_u16().unwrap_or(if secure { 443 } else { 80 });
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let Some(source) = source else { return Ok(TcpStream::connect((host, port)).await?) };
    let target = lookup_host((host, port)).await?.find(|target| target.is_ipv4() == source.is_ipv4());
    let target = target.ok_or_else(|| io::Error::other("the server has no address of the kind of --source"))?;
    let socket = if source.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(source, 0))?;
    Ok(socket.connect(target).await?)
}
