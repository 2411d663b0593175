//! Fleetward knows what every terminal of a fleet runs and how it is, and moves the fleet to new versions.
//!
//! The map, in reading order. Imports run one way: `bin -> cli, app -> web -> actors -> store -> domain`;
//! `protocol -> domain`; `actors -> protocol`; `archive -> domain`; `agent -> protocol, archive, domain`. `tests/house.rs` holds it.
//!
//! What always holds, and the test that shows it:
//! - A rollout never has more in flight than its limit, every lease ends, and what the engine counts is the sum of
//!   the rows (`domain::engine::model`).
//! - An update is done when the device is seen to run it, for its health window
//!   (`success_is_what_the_device_is_seen_to_run_for_the_health_window`).
//! - A late goodbye does not evict its successor (`a_late_goodbye_does_not_evict_its_successor`).
//! - Final states are left only for another turn: an admin's retry, a newer rollout called off, a device that came
//!   back with another version (`a_final_state_is_left_only_for_another_turn`).

// What is true: the rules, pure.
pub mod domain;

// What is said: the wire.
pub mod protocol;

// What is in a package.
#[cfg(feature = "archive")]
pub mod archive;

// What is remembered: SQL and files.
#[cfg(feature = "server")]
pub mod store;

// Who acts: registry, devices, updater, status logger.
#[cfg(feature = "server")]
pub mod actors;

// What people see: pages, API, live streams, access.
#[cfg(feature = "server")]
pub mod web;

// Composition.
#[cfg(feature = "server")]
pub mod app;

// What can be typed: one file a subcommand.
#[cfg(feature = "server")]
pub mod cli;

// What can be set.
#[cfg(feature = "server")]
pub mod config;

// What time it is.
#[cfg(feature = "server")]
pub mod clock;

// Logs and metrics.
#[cfg(feature = "server")]
pub mod telemetry;

// The other end of the wire: the program on the device.
#[cfg(feature = "agent")]
pub mod agent;
