//! The API and the way in, over real sockets.
#![cfg(feature = "server")]

mod access;
mod bad_input;
mod devices;
mod helpers;
mod live;
mod packages;
