//! What is true: the rules of a fleet, as plain functions of `(state, now, event) -> (state, effects)`.
//!
//! No clock, no input or output, no framework, no async: time is an argument, and what shall be done is returned.

mod account;
mod assignment;
mod course;
mod decide;
mod device;
mod effects;
mod engine;
mod live;
mod names;
mod package;
mod plan;
mod policy;
mod report;
mod rollout;
mod seq_set;
mod session;
mod signing;
mod target;
mod token;
mod transfer;
mod version;

pub mod millis_rfc3339;

pub use account::{ApiToken, DeviceAuth, EnrolmentToken, Role, User, check_account_name, check_password};
pub use assignment::{Assignment, AssignmentState, Counts};
pub use decide::{Decision, Facts, Reason, Standing, decide};
pub use device::{Device, Modules, Status, Tags, VersionChange};
pub use effects::{Effects, OfferSpeech, Speech};
pub use engine::{Answer, Arrival, Doing, Engine, Refusal};
pub use live::LiveEvent;
pub use names::{BootId, DeviceId, KeyId, ModuleName, NameError, PackageId, RolloutId, SessionNo, Sha256Hex};
pub use package::{Package, Release};
pub use plan::{Exclusion, ExclusionReason, Plan, PlannedDevice, PlannedModule, compare, plan};
pub use policy::{Policy, PolicyError, Stage, Timeouts};
pub use report::{Location, ProcessStatus, Report, Sample, SdCard, Temperature, Timestamp};
pub use rollout::{Candidate, Rollout, RolloutPackage, RolloutRequest, RolloutState};
pub use seq_set::SeqSet;
pub use session::{CloseCause, Fault, Session, SessionEffect, SessionLimits};
pub use signing::{
    ChunkHasher, Chunks, Distrust, Fingerprint, Floor, Freshness, Manifest, PublicKey, Purpose, Quorum, SecretKey,
    Signed, Surroundings, Trust, check_freshness, check_release,
};
pub use target::Target;
pub use token::{TokenKind, hash_token};
pub use transfer::{MAX_FRAME, Room, Sendable, Transfer, WINDOW};
pub use version::{Version, VersionError};
