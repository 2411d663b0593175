//! The agent against a server that the test plays: real sockets, real files, real commands.
#![cfg(feature = "agent")]

mod bench;
mod link;
mod updates;
