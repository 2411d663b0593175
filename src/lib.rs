//! Fleetward.
pub mod domain;
pub mod protocol;
#[cfg(feature = "server")]
pub mod store;
