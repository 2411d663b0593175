//! Fleetward knows what every terminal of a fleet runs and how it is, and moves the fleet to new versions.
//!
//! A pure core that returns effects, and actors that carry them out. The modules below stand in reading order.
//! Imports run one way (`tests/house.rs` holds the table):
//!
//! ```text
//! bin -> cli -> app -> web -> actors -> store -> domain
//! agent -> protocol -> domain           actors -> protocol
//! ```
//!
//! `docs/architecture.md` walks a report and an update through them, and names the invariants with their tests.

pub mod domain;
pub mod protocol;
#[cfg(feature = "server")]
pub mod store;
#[cfg(feature = "server")]
pub mod actors;
#[cfg(feature = "server")]
pub mod web;
#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "agent")]
pub mod agent;

#[cfg(feature = "server")]
pub mod clock;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod telemetry;
