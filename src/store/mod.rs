//! What is remembered: the only place that speaks SQL, and the files below the data folder.
//!
//! [`Store`] is the only door to the database: verbs that take and return domain types. All writes go through one
//! writer thread, which puts what waits into one transaction (group commit) and answers after the commit; reads
//! go through a pool. SQLite and MySQL/MariaDB are the same code.

pub mod secrets;

use std::collections::HashMap;
use std::path::PathBuf;

use crate::domain::*;

/// What went wrong at the database's door. Each arm has its own remedy.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It did not answer, is locked, is full, or went away: try again later. Nothing was changed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// It can't be used as it is (cannot be opened, a newer schema, a broken client library): tell the admin.
    #[error("{0}")]
    Unusable(String),
    /// What is stored can't be read back: tell the admin.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
}

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Where and how to open the store.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `sqlite:PATH` or `mysql://user:password@host:port/database`.
    pub database_url: String,
    /// Readers in the pool.
    pub readers: u32,
}

/// The one door. Cheap to clone.
#[derive(Clone)]
pub struct Store {}

/// One page of a list, and the cursor of the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// To be given as `after` for the page behind this one; `None` at the end. Opaque text.
    pub next: Option<String>,
}

/// A cursor that this list did not hand out is answered with `Err(BadCursor)` inside the Ok: a 422 for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("after: this list has no such place; start again without it")]
pub struct BadCursor;

// ---- devices -------------------------------------------------------------------------------------------------

/// A device says hello.
#[derive(Debug, Clone)]
pub struct JoinRequest {
    pub device_id: DeviceId,
    pub auth: DeviceAuth,
    pub modules: Modules,
    /// Stored as the device's own token if it enrols now.
    pub new_token_hash: Sha256Hex,
    pub now: Timestamp,
}

/// The answer to a hello.
#[derive(Debug, Clone, PartialEq)]
pub enum JoinOutcome {
    Joined {
        key_id: KeyId,
        tags: Tags,
        /// The device enrolled: `new_token_hash` is now its token's, and is to be told once.
        enrolled: bool,
    },
    Refused(JoinRefusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinRefusal {
    /// The device's own token belongs to another `device_id`.
    WrongDevice,
    /// The token was revoked, has run out, or is used up.
    TokenNotValid,
    /// An enrolment token for a `device_id` that exists and that no admin has allowed to enrol again.
    AlreadyEnrolled,
}

/// Which devices, in which order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceQuery {
    /// Part of the name or `device_id`, whatever the case.
    pub q: Option<String>,
    pub online: Option<bool>,
    /// `region=east`, or `region` for any value.
    pub tag: Option<(String, Option<String>)>,
    pub module: Option<ModuleName>,
    /// Of `module`, or of any module when that is `None`.
    pub version: Option<Version>,
    pub sort: DeviceSort,
    pub descending: bool,
    pub after: Option<String>,
    /// 1 to 500.
    pub limit: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeviceSort {
    #[default]
    Name,
    DeviceId,
    /// Online first (ascending), then since when.
    Online,
    /// When the last report came.
    LastReport,
}

/// A report to be written: the newest state, a history sample.
#[derive(Debug, Clone)]
pub struct StatusRecord {
    pub key_id: KeyId,
    pub report: Report,
    pub received_at: Timestamp,
}

/// Which bytes of the status log the database stands for: written in the same transaction as the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPosition {
    /// The file's name within the log folder.
    pub file: String,
    pub offset: u64,
}

/// What one group commit writes.
#[derive(Debug, Clone, Default)]
pub struct RecordBatch {
    /// In the order received. A device's `device_status` row becomes the one with the newest `timestamp`;
    /// every one becomes a history sample.
    pub reports: Vec<StatusRecord>,
    /// The runs as they are after this batch.
    pub runs: Vec<(KeyId, BootId, SeqSet)>,
    pub log_position: Option<LogPosition>,
}

// ---- packages ------------------------------------------------------------------------------------------------

#[derive(Debug, Clone)]
pub struct NewPackage {
    pub name: ModuleName,
    pub version: Version,
    pub size: u64,
    pub sha256: Sha256Hex,
    pub file_name: String,
    pub notes: String,
    pub created_by: String,
    pub now: Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub enum AddPackage {
    Added(Package),
    /// Same name, version and bytes: nothing changed.
    Same(Package),
    /// Same name and version, other bytes: nothing changed.
    Conflict(Package),
}

#[derive(Debug, Clone, PartialEq)]
pub enum DeletePackage {
    /// Gone; `last_of_its_bytes`: no other row has these bytes, so the blob may go.
    Deleted {
        package: Package,
        last_of_its_bytes: bool,
    },
    /// Live rollouts use it.
    InUse(Vec<RolloutId>),
    Missing,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ModuleSummary {
    pub name: ModuleName,
    /// What the newest rollout made current.
    pub current_version: Option<Version>,
    pub packages: u64,
    /// Devices on each version, newest version first.
    pub devices: Vec<(Version, u64)>,
}

// ---- rollouts ------------------------------------------------------------------------------------------------

/// A rollout to be written down, whole, in one transaction, together with the modules' current versions.
/// The `rollout` of each assignment and the `id` are filled in by the store.
#[derive(Debug, Clone)]
pub struct NewRollout {
    /// `id` is ignored.
    pub rollout: Rollout,
    /// `rollout` is ignored.
    pub assignments: Vec<Assignment>,
}

/// What one save of the updater writes: rows as they shall be.
#[derive(Debug, Clone, Default)]
pub struct RolloutChanges {
    /// Updated by id: state, why, open_stages, stages, ended_at.
    pub rollouts: Vec<Rollout>,
    /// Upserted by (rollout, key_id, module).
    pub assignments: Vec<Assignment>,
}

/// One row of a rollout's progress table.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutDevice {
    pub device: Device,
    /// In the order of the rollout's packages.
    pub assignments: Vec<Assignment>,
}

/// A rollout with its tally, which is always the sum of its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutSummary {
    pub rollout: Rollout,
    pub counts: Counts,
    /// Devices with at least one assignment.
    pub devices: u64,
}

impl Store {
    /// Opens the database, runs what migrations are missing, and starts the writer.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] with what to do: the URL can't be opened, the schema is newer, MySQL is not built in.
    pub fn open(config: &StoreConfig) -> Result<Self> {
        todo!()
    }
    /// Whether a write transaction can be made now; for `/readyz`.
    pub async fn ping(&self) -> Result<()> {
        todo!()
    }
    /// Ends the writer after what it has; later writes are `Unavailable`.
    pub fn close(&self) {
        todo!()
    }

    // settings.rs
    pub async fn setting(&self, key: &str) -> Result<Option<String>> {
        todo!()
    }
    pub async fn set_setting(&self, key: &str, value: Option<&str>) -> Result<()> {
        todo!()
    }

    // devices.rs
    /// By what right the bearer of a token may connect: a device's own, or a valid enrolment token. By hash.
    pub async fn device_auth(&self, token_hash: &Sha256Hex, now: Timestamp) -> Result<Option<DeviceAuth>> {
        todo!()
    }
    /// Known or enrolled: the device is online, runs these modules (each change of a version is kept). One transaction.
    pub async fn join(&self, request: JoinRequest) -> Result<JoinOutcome> {
        todo!()
    }
    /// The device tells other versions on the same connection.
    pub async fn set_modules(&self, key_id: KeyId, modules: Modules, now: Timestamp) -> Result<()> {
        todo!()
    }
    /// The device went.
    pub async fn leave(&self, key_id: KeyId, now: Timestamp) -> Result<()> {
        todo!()
    }
    /// At start: whoever was online when the server ended is offline now.
    pub async fn all_offline(&self, now: Timestamp) -> Result<()> {
        todo!()
    }
    pub async fn device(&self, device_id: &DeviceId) -> Result<Option<Device>> {
        todo!()
    }
    pub async fn device_by_key(&self, key_id: KeyId) -> Result<Option<Device>> {
        todo!()
    }
    pub async fn devices(&self, query: DeviceQuery) -> Result<Result<Page<Device>, BadCursor>> {
        todo!()
    }
    /// How many match, paging aside.
    pub async fn device_count(&self, query: DeviceQuery) -> Result<u64> {
        todo!()
    }
    /// `None` leaves a field as it is. `false`: no such device.
    pub async fn update_device(&self, device_id: &DeviceId, name: Option<String>, tags: Option<Tags>) -> Result<bool> {
        todo!()
    }
    /// Lets this `device_id` enrol again (its token stays valid until it does), or no longer.
    pub async fn allow_enrolment(&self, device_id: &DeviceId, allowed: bool) -> Result<bool> {
        todo!()
    }
    /// Replaces the device's own token, or with `None` revokes it.
    pub async fn set_device_token(&self, device_id: &DeviceId, hash: Option<Sha256Hex>) -> Result<bool> {
        todo!()
    }
    /// Purges the device and everything of it; its key_id is never used again.
    pub async fn delete_device(&self, device_id: &DeviceId) -> Result<Option<KeyId>> {
        todo!()
    }
    /// Newest first.
    pub async fn version_changes(&self, key_id: KeyId, limit: u32) -> Result<Vec<VersionChange>> {
        todo!()
    }
    /// Samples by report time, averaged over steps of `step_s` seconds (0: every sample), at most 5,000, oldest first.
    pub async fn history(
        &self,
        key_id: KeyId,
        from: Timestamp,
        to: Timestamp,
        step_s: u32,
    ) -> Result<Vec<(Timestamp, Sample)>> {
        todo!()
    }
    /// All tag names with their values, for choosing.
    pub async fn tag_values(&self) -> Result<Vec<(String, String)>> {
        todo!()
    }

    // reports.rs
    /// The stored runs among these.
    pub async fn runs(&self, wanted: Vec<(KeyId, BootId)>) -> Result<HashMap<(KeyId, BootId), SeqSet>> {
        todo!()
    }
    /// One transaction for all of it. Reports of a device deleted meanwhile are left out.
    pub async fn record(&self, batch: RecordBatch) -> Result<()> {
        todo!()
    }
    pub async fn log_position(&self) -> Result<Option<LogPosition>> {
        todo!()
    }
    /// Deletes samples before `drop_before`, and keeps one per `step_s` and device before `thin_before`. In small transactions.
    /// Also forgets runs not heard of since `drop_before`.
    pub async fn prune_history(&self, drop_before: Timestamp, thin_before: Timestamp, step_s: u32) -> Result<u64> {
        todo!()
    }

    // packages.rs
    pub async fn add_package(&self, package: NewPackage) -> Result<AddPackage> {
        todo!()
    }
    pub async fn package(&self, name: &ModuleName, version: &Version) -> Result<Option<Package>> {
        todo!()
    }
    /// Newest upload first.
    pub async fn packages(
        &self,
        name: Option<ModuleName>,
        after: Option<String>,
        limit: u32,
    ) -> Result<Result<Page<Package>, BadCursor>> {
        todo!()
    }
    /// Refused while a live rollout (see `RolloutState::is_live`), or a completed one with waiting assignments, uses it.
    pub async fn delete_package(&self, name: &ModuleName, version: &Version) -> Result<DeletePackage> {
        todo!()
    }
    /// Every module that has a package or that a device lists.
    pub async fn modules(&self) -> Result<Vec<ModuleSummary>> {
        todo!()
    }
    /// The bytes that rows stand for, for the check at start.
    pub async fn package_hashes(&self) -> Result<Vec<(Sha256Hex, u64)>> {
        todo!()
    }

    // rollouts.rs
    /// The devices a target includes, with what they run; `DeviceIds` that don't exist are absent.
    pub async fn candidates(&self, target: &Target) -> Result<Vec<Candidate>> {
        todo!()
    }
    pub async fn create_rollout(&self, rollout: NewRollout) -> Result<RolloutId> {
        todo!()
    }
    /// One transaction.
    pub async fn save_rollouts(&self, changes: RolloutChanges) -> Result<()> {
        todo!()
    }
    /// What the updater needs after a start: every rollout that is live, or completed, with all assignments that
    /// are not final; plus the tally of all its assignments by stage.
    pub async fn open_rollouts(&self) -> Result<Vec<OpenRollout>> {
        todo!()
    }
    pub async fn rollout(&self, id: RolloutId) -> Result<Option<RolloutSummary>> {
        todo!()
    }
    /// Newest first.
    pub async fn rollouts(&self, after: Option<String>, limit: u32) -> Result<Result<Page<RolloutSummary>, BadCursor>> {
        todo!()
    }
    /// By device name. `state`: only devices with an assignment in it.
    pub async fn rollout_devices(
        &self,
        id: RolloutId,
        state: Option<AssignmentState>,
        after: Option<String>,
        limit: u32,
    ) -> Result<Result<Page<RolloutDevice>, BadCursor>> {
        todo!()
    }
    /// Every assignment of a device, newest rollout first, at most `limit`.
    pub async fn assignments_of(&self, key_id: KeyId, limit: u32) -> Result<Vec<Assignment>> {
        todo!()
    }
    /// The newest assignment of each module for each of these devices: what the fleet table shows as module state.
    pub async fn newest_assignments(&self, keys: Vec<KeyId>) -> Result<HashMap<(KeyId, ModuleName), Assignment>> {
        todo!()
    }

    // accounts.rs
    pub async fn users(&self) -> Result<Vec<User>> {
        todo!()
    }
    pub async fn user_by_name(&self, name: &str) -> Result<Option<User>> {
        todo!()
    }
    /// `None`: the name is taken.
    pub async fn add_user(&self, name: &str, password_hash: &str, role: Role, now: Timestamp) -> Result<Option<User>> {
        todo!()
    }
    /// The first admin, only while there is no user at all; `None`: there is one.
    pub async fn add_first_admin(&self, name: &str, password_hash: &str, now: Timestamp) -> Result<Option<User>> {
        todo!()
    }
    pub async fn set_password(&self, id: i64, password_hash: &str) -> Result<bool> {
        todo!()
    }
    /// `false`: no such user, or it is the last admin.
    pub async fn set_role(&self, id: i64, role: Role) -> Result<bool> {
        todo!()
    }
    /// Its sessions end too. `false`: no such user, or it is the last admin.
    pub async fn delete_user(&self, id: i64) -> Result<bool> {
        todo!()
    }
    pub async fn save_session(
        &self,
        key_hash: &Sha256Hex,
        user_id: Option<i64>,
        state: &str,
        expires_at: Timestamp,
    ) -> Result<()> {
        todo!()
    }
    /// The state, unless it has expired.
    pub async fn session(&self, key_hash: &Sha256Hex, now: Timestamp) -> Result<Option<String>> {
        todo!()
    }
    /// The user of a session, unless it has expired.
    pub async fn session_user(&self, key_hash: &Sha256Hex, now: Timestamp) -> Result<Option<User>> {
        todo!()
    }
    pub async fn user(&self, id: i64) -> Result<Option<User>> {
        todo!()
    }
    pub async fn delete_session(&self, key_hash: &Sha256Hex) -> Result<()> {
        todo!()
    }
    pub async fn api_tokens(&self) -> Result<Vec<ApiToken>> {
        todo!()
    }
    pub async fn add_api_token(
        &self,
        name: &str,
        role: Role,
        hash: &Sha256Hex,
        by: &str,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<ApiToken> {
        todo!()
    }
    /// Not revoked, not expired.
    pub async fn api_token(&self, hash: &Sha256Hex, now: Timestamp) -> Result<Option<ApiToken>> {
        todo!()
    }
    pub async fn revoke_api_token(&self, id: i64) -> Result<bool> {
        todo!()
    }
    pub async fn enrolment_tokens(&self) -> Result<Vec<EnrolmentToken>> {
        todo!()
    }
    pub async fn add_enrolment_token(
        &self,
        hash: &Sha256Hex,
        uses: Option<u32>,
        expires_at: Option<Timestamp>,
        by: &str,
        now: Timestamp,
    ) -> Result<EnrolmentToken> {
        todo!()
    }
    pub async fn revoke_enrolment_token(&self, id: i64) -> Result<bool> {
        todo!()
    }
}

/// A rollout as the updater takes it up after a start.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenRollout {
    pub rollout: Rollout,
    /// Those that are not final.
    pub open: Vec<Assignment>,
    /// Of all assignments, by stage.
    pub tallies: Vec<(u32, Counts)>,
    /// Every device that has an assignment, final ones too: who has had a turn.
    pub members: Vec<KeyId>,
}

/// Package bytes below `DIR/packages`, named by their sha256.
#[derive(Debug, Clone)]
pub struct Blobs {
    dir: PathBuf,
}

/// A blob on its way to the disk; dropped, it leaves nothing behind.
pub struct BlobWriter {}

impl Blobs {
    /// Opens the folder, making it where it is missing.
    pub fn open(dir: PathBuf) -> std::io::Result<Self> {
        todo!()
    }
    pub fn create(&self) -> std::io::Result<BlobWriter> {
        todo!()
    }
    pub fn path(&self, hash: &Sha256Hex) -> PathBuf {
        todo!()
    }
    pub fn remove(&self, hash: &Sha256Hex) -> std::io::Result<()> {
        todo!()
    }
    /// Room on the disk.
    pub fn free_bytes(&self) -> std::io::Result<u64> {
        todo!()
    }
}

impl BlobWriter {
    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        todo!()
    }
    /// Synced and in its place.
    pub fn finish(self) -> std::io::Result<(Sha256Hex, u64)> {
        todo!()
    }
}
