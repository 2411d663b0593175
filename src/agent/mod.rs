//! The other end of the wire: the program on the device.
//!
//! In reading order:
//! - [`config`]: what can be set.
//! - [`run`]: the loop that brings the parts together.
//! - [`link`], with [`backoff`] and [`token`]: the one connection.
//! - [`telemetry`], with [`gauges`], [`gpsd`] and [`phase`]: what a report says, and when; [`outbox`] keeps it until it is acknowledged.
//! - [`updates`]: answers offers and drives [`machine`], the pure state machine of one install; [`compare`] says what is
//!   wanted, [`trust`] whether it is believed, [`room`] whether it fits, [`download`] takes bytes in,
//!   [`install`] carries the acts out with [`unpack`], [`tree`], [`module_dir`] and [`hooks`], [`journal`] remembers, [`recovery`] asks the disk where it cannot.
//! - [`durable`] and [`clock`] below all of them.
//!
//! What holds, and its tests:
//! - A module that had a working version has one after a kill at any step (`machine_tests`).
//! - The journal is written before the act it announces (`machine_tests`: `every_stage_is_saved_before_its_act`).
//! - A report is on disk until it is acknowledged, and no number is given to two reports (`outbox_tests`).
//! - Nothing of a package lands outside its version's folder (`unpack_tests`), and nothing in it that its signed list of
//!   files does not name (`tree`, `tests/agent/attacks.rs`).
//! - The device's own token is on disk before anything else is said (`tests/agent`).

pub mod apps;
pub mod backoff;
pub mod clock;
pub mod compare;
pub mod config;
pub mod download;
pub mod durable;
pub mod gauges;
pub mod gpsd;
pub mod hooks;
pub mod install;
pub mod itself;
pub mod journal;
pub mod link;
pub mod lock;
pub mod machine;
pub mod module_dir;
pub mod outbox;
pub mod phase;
pub mod recovery;
pub mod room;
pub mod run;
pub mod supervisor;
pub mod set;
pub mod telemetry;
pub mod token;
pub mod tree;
pub mod trust;
pub mod unpack;
pub mod updates;
