//! What of a fleet needs a person: kinds of trouble that a device may be in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One kind of trouble. A device may be in several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attention {
    /// The newest update of one of its modules failed, or was not heard of in time.
    Failed,
    /// The newest update of one of its modules went back to the version before.
    Reverted,
    /// It is kept from a package that failed on it again and again.
    Quarantined,
    /// It is connected and has not reported for a while.
    Silent,
    /// It is connected, and its hottest sensor is above the limit.
    Hot,
    /// Its fullest card is above the limit.
    FullDisk,
    /// Two devices seem to have its name.
    Cloned,
    /// It runs a package that nobody signed.
    Unsigned,
}

impl Attention {
    /// All, in the order in which people see them.
    pub const ALL: [Self; 8] = [
        Self::Failed,
        Self::Reverted,
        Self::Quarantined,
        Self::Silent,
        Self::Hot,
        Self::FullDisk,
        Self::Cloned,
        Self::Unsigned,
    ];

    /// The one spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Reverted => "reverted",
            Self::Quarantined => "quarantined",
            Self::Silent => "silent",
            Self::Hot => "hot",
            Self::FullDisk => "full_disk",
            Self::Cloned => "cloned",
            Self::Unsigned => "unsigned",
        }
    }
}

impl fmt::Display for Attention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no kind of trouble.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be one of failed, reverted, quarantined, silent, hot, full_disk, cloned, unsigned")]
pub struct NoAttention;

impl FromStr for Attention {
    type Err = NoAttention;
    fn from_str(text: &str) -> Result<Self, NoAttention> {
        Self::ALL.into_iter().find(|what| what.as_str() == text).ok_or(NoAttention)
    }
}

/// From where on a device counts as being in trouble.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionLimits {
    /// Seconds without a report.
    pub silent_s: u32,
    /// Degrees Celsius of the hottest sensor.
    pub hot_degrees: f64,
    /// Percent of the fullest card.
    pub disk_percent: f64,
}

impl Default for AttentionLimits {
    fn default() -> Self {
        Self { silent_s: 300, hot_degrees: 80.0, disk_percent: 90.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_as_it_is_written() {
        for what in Attention::ALL {
            assert_eq!(what.to_string().parse(), Ok(what));
            assert!(NoAttention.to_string().contains(what.as_str()));
        }
        assert_eq!("tired".parse::<Attention>(), Err(NoAttention));
    }
}
