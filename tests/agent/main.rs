//! The agent against a server that the test plays: real sockets, real files, real commands.
#![cfg(feature = "agent")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod apps;
mod attacks;
mod bench;
mod crashes;
mod house;
mod itself;
mod link;
mod sealed;
mod sets;
mod updates;
