//! The API and the way in, over real sockets.
#![cfg(all(feature = "server", feature = "link"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod access;
mod bad_input;
mod device;
mod devices;
mod filters;
mod fleet;
mod forms;
mod helpers;
mod languages;
mod live;
mod openapi;
mod packages;
mod rollout_acts;
mod rollouts;
mod second_factor;
mod signing;
mod stream;
