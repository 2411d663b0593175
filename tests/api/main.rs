//! The API and the way in, over real sockets.
#![cfg(all(feature = "server", feature = "link"))]

mod access;
mod bad_input;
mod device;
mod devices;
mod helpers;
mod live;
mod packages;
mod rollouts;
mod stream;
