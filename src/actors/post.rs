//! What connections are told, carried by the thread that they live on.
//!
//! A connection that another thread wakes waits behind all that its own thread has to do: when thousands are told
//! something, the answers of the first would keep the last from hearing it. So what is for a thread's connections is
//! handed over to that thread, and given out there before anything that comes of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use actix::Recipient;
use actix::dev::SendError;
use tokio::sync::mpsc;

use super::acks::{self, OfOneThread};
use super::asking::Asked;
use super::registry::ToDevice;

/// How long a message waits for a device whose mailbox is full before it is tried again.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// Messages that are given out in one go.
const AT_ONCE: usize = 4096;

enum Letter {
    Say { door: Recipient<ToDevice>, message: ToDevice, asked: Option<Asked> },
    Stored(OfOneThread),
}

/// The way to the connections of one thread. Without a bound of its own: what is sent was saved before and is said
/// once, so that there is never more of it than assignments under way and reports that the intake had.
#[derive(Debug, Clone)]
pub struct Post(mpsc::UnboundedSender<Letter>);

impl Post {
    /// Hands a message to a connection of this post's thread, later again while its mailbox is full. `asked` is
    /// dropped when the connection has had the time to take it.
    pub fn send(&self, door: Recipient<ToDevice>, message: ToDevice, asked: Option<Asked>) {
        // Ends with its thread, and with all connections there.
        let _ = self.0.send(Letter::Say { door, message, asked });
    }

    /// Tells connections of this post's thread which of their reports are on disk.
    pub(super) fn stored(&self, reports: OfOneThread) {
        let _ = self.0.send(Letter::Stored(reports));
    }

    /// Whether this is the same way.
    pub fn is(&self, other: &Self) -> bool {
        self.0.same_channel(&other.0)
    }
}

/// The ways to all threads that have connections.
#[derive(Default)]
pub(super) struct Posts(Mutex<HashMap<ThreadId, Post>>);

impl Posts {
    /// The way to this thread, whose runtime this is called in.
    pub fn here(&self) -> Post {
        let mut posts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let post = posts.entry(std::thread::current().id()).or_insert_with(|| {
            let (post, letters) = mpsc::unbounded_channel();
            actix::spawn(carry(letters));
            Post(post)
        });
        post.clone()
    }
}

async fn carry(mut letters: mpsc::UnboundedReceiver<Letter>) {
    let mut some = Vec::new();
    while letters.recv_many(&mut some, AT_ONCE).await > 0 {
        let mut arriving = Vec::with_capacity(some.len());
        for letter in some.drain(..) {
            match letter {
                Letter::Say { door, message, asked } => {
                    give(door, message);
                    arriving.extend(asked);
                }
                Letter::Stored(reports) => acks::tell(reports),
            }
        }
        // All that have just been woken have their turn first.
        tokio::task::yield_now().await;
        drop(arriving);
    }
}

fn give(door: Recipient<ToDevice>, message: ToDevice) {
    if let Err(SendError::Full(message)) = door.try_send(message) {
        actix::spawn(async move {
            tokio::time::sleep(BUSY_PAUSE).await;
            give(door, message);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use actix::prelude::*;

    use super::*;
    use crate::actors::asking::Asking;

    struct Door(Rc<Cell<usize>>);

    impl Actor for Door {
        type Context = Context<Self>;
    }

    impl Handler<ToDevice> for Door {
        type Result = ();

        fn handle(&mut self, _: ToDevice, _: &mut Self::Context) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[actix::test]
    async fn what_is_sent_to_many_is_with_all_of_them_when_nothing_is_on_its_way() {
        const DOORS: usize = 2 * AT_ONCE + 1;
        let (posts, asking, heard) = (Posts::default(), Asking::default(), Rc::new(Cell::new(0)));
        let doors: Vec<Recipient<ToDevice>> = (0..DOORS).map(|_| Door(Rc::clone(&heard)).start().recipient()).collect();
        let post = posts.here();
        let message = || ToDevice::Close { code: 1000, reason: String::new() };
        doors.iter().for_each(|door| post.send(door.clone(), message(), Some(asking.one())));
        asking.over().await;
        assert_eq!(heard.get(), DOORS);
    }
}
