//! Time: waiting for something, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Looks again and again until there is an answer, and how long that took; `None` when there is none in time.
pub fn look<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<(T, Duration)> {
    let begun = Instant::now();
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return Some((found, begun.elapsed()));
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(LOOK);
    }
}

/// The same for what must come.
pub fn until<T>(what: &str, within: Duration, found: impl FnMut() -> Option<T>) -> (T, Duration) {
    look(within, found).unwrap_or_else(|| panic!("in {within:?} it did not come to this: {what}"))
}

/// Lets time pass: the chaos is in the moments at which things happen.
pub fn pass(time: Duration) {
    look(time, || None::<()>);
}
