//! The device link over real sockets, byte by byte: what RFC 6455 asks, what is limited, and what happens when the
//! database has trouble.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what is skipped is said")]

mod database;
mod limits;
mod overload;
mod peer;
mod rfc6455;
mod server;
mod stop;
mod time;
mod transfers;
mod upgrade;
