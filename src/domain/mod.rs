//! What is true: the rules of a fleet, as plain functions of `(state, now, event) -> (state, effects)`.
//!
//! No clock, no input or output, no framework, no async: time is an argument, and what shall be done is returned.

mod account;
mod assignment;
mod attention;
mod audit;
mod budget;
mod connection;
mod course;
mod decide;
mod device;
mod effects;
mod engine;
mod filter;
mod flapping;
mod health;
mod live;
mod load;
mod names;
mod pace;
mod package;
mod plan;
mod policy;
mod readings;
mod report;
mod requirements;
mod rollout;
mod seq_set;
mod session;
mod signing;
mod target;
mod token;
mod transfer;
mod version;
mod window;

pub mod millis_rfc3339;

pub use account::{
    ApiToken, DeviceAuth, EnrolmentToken, Role, SecondFactor, SignIn, User, check_account_name, check_password,
};
pub use assignment::{Assignment, AssignmentState, Counts};
pub use attention::{Attention, AttentionLimits, NoAttention};
pub use audit::{AuditEntry, AuditHead, AuditRow, AuditVia};
pub use budget::Budget;
pub use connection::{ConnectionCause, ConnectionEvent, NoCause};
pub use course::{OpenCourse, Turn};
pub use decide::{Decision, Facts, Limit, Reason, Standing, decide};
pub use device::{Device, Modules, Status, Tags, VersionChange};
pub use effects::{Effects, OfferSpeech, QUARANTINE_AFTER, Speech, Strike, Transition};
pub use engine::{Answer, Arrival, Doing, Engine, Refusal};
pub use filter::{
    Comparison, Filter, FilterError, MAX_FILTER_BYTES, NumberField, NumberTest, Subject, TextField, TextTest,
    Tree as FilterTree, VersionTest,
};
pub use flapping::{Caller, Flapping, HeldOff, Recently};
pub use health::{HealthRules, StatusRule, Vitals};
pub use live::LiveEvent;
pub use load::Load;
pub use names::{BootId, DeviceId, KeyId, ModuleName, NameError, PackageId, RolloutId, SessionNo, Sha256Hex};
pub use pace::Pace;
pub use package::{Package, Release};
pub use plan::{Exclusion, ExclusionReason, Plan, PlanSummary, PlannedDevice, PlannedModule, compare, plan};
pub use policy::{KindLimits, Policy, PolicyError, Stage, Timeouts};
pub use readings::Readings;
pub use report::{Location, ProcessStatus, Report, Sample, SdCard, Temperature, Timestamp};
pub use requirements::{Requirements, Unmet};
pub use rollout::{Candidate, Rollout, RolloutPackage, RolloutRequest, RolloutState};
pub use seq_set::SeqSet;
pub use session::{CloseCause, Fault, Session, SessionEffect, SessionLimits};
pub use signing::{
    ChunkHasher, Chunks, Distrust, Fingerprint, Floor, Freshness, ListedFile, Manifest, PublicKey, Purpose, Quorum,
    SecretKey, Signed, Surroundings, Trust, check_freshness, check_release,
};
pub use target::{Groups, Target, TargetError, TargetRequest};
pub use token::{TokenKind, hash_token};
pub use transfer::{MAX_FRAME, Room, STEP, STRIDE, Sendable, Transfer, WINDOW};
pub use version::{Version, VersionError};
pub use window::{Window, Zone, opens_at};
