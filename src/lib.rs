//! Fleetward.
#[cfg(feature = "agent")]
pub mod agent;
pub mod domain;
pub mod protocol;
#[cfg(feature = "server")]
pub mod store;
