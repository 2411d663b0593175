//! What the actors are at, for the metrics and for people.

use super::counts::Count;
use super::{Fleet, PoisonError};

/// See the module.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Picture {
    pub connections: usize,
    pub intake_reports: usize,
    pub intake_capacity: usize,
    /// Connections that are not read because the intake is full.
    pub intake_waiting: usize,
    /// What is left out for want of room in the intake: 0 is nothing, 5 is all that can be.
    pub load: u8,
    /// Reports of the group that is being written.
    pub reports_writing: usize,
    pub reports_stored: u64,
    pub transfers_active: usize,
    pub transfers_limit: usize,
    pub rollouts_live: usize,
    /// Times a device said too much and was read later.
    pub messages_slowed: u64,
    /// Connections closed for a fault of the device.
    pub link_faults: u64,
    /// Connections refused because their device comes too often, and how many devices that are now.
    pub flapping_refused: u64,
    pub flapping_held: usize,
    /// Times two devices seemed to have one name.
    pub clone_alarms: u64,
    /// Transfers ended for their slowness.
    pub transfers_too_slow: u64,
    /// Reports that could not be stored, whatever was tried, and were not acknowledged.
    pub reports_unstorable: u64,
    /// Why the server is not fit for work just now; see [`Fleet::ended_part`] and [`Fleet::trouble`].
    pub trouble: Option<String>,
    /// What the database's settings put at risk.
    pub warnings: Vec<String>,
}

impl Fleet {
    /// Why reports can't be written just now.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.logger_state.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone()
    }

    /// Which part of the server has ended by a defect, and what to do.
    #[must_use]
    pub fn ended_part(&self) -> Option<String> {
        let parts = [
            ("registry", self.registry.connected()),
            ("updater", self.updater.connected()),
            ("status logger", self.logger.connected() && !self.intake.is_closed()),
        ];
        let ended = parts.iter().find(|(_, lives)| !lives);
        ended.map(|(part, _)| format!("the {part} has ended by a defect: restart the server"))
    }

    /// What the actors are at.
    #[must_use]
    pub fn picture(&self) -> Picture {
        let now = |what| usize::try_from(self.counts.get(what)).unwrap_or(usize::MAX);
        let reports_stored = self.logger_state.lock().unwrap_or_else(PoisonError::into_inner).stored;
        Picture {
            connections: now(Count::Connections),
            intake_reports: self.intake.queued(),
            intake_capacity: self.intake.capacity(),
            intake_waiting: self.intake.waiting(),
            load: self.load() as u8,
            reports_writing: now(Count::Writing),
            reports_stored,
            transfers_active: self.feed.transfers_active(),
            transfers_limit: self.transfers_limit,
            rollouts_live: now(Count::RolloutsLive),
            messages_slowed: self.counts.get(Count::Slowed),
            link_faults: self.counts.get(Count::Fault),
            flapping_refused: self.counts.get(Count::HeldOff),
            flapping_held: self.links.flapping().held(self.clock.steady()),
            clone_alarms: self.counts.get(Count::Clones),
            transfers_too_slow: self.counts.get(Count::SlowTransfer),
            reports_unstorable: self.counts.get(Count::Unstorable),
            trouble: self.ended_part().or_else(|| self.trouble()),
            warnings: self.warnings().to_vec(),
        }
    }
}
