//! Fleetward.
pub mod domain;
#[cfg(feature = "server")]
pub mod store;
