//! What is left out when reports come faster than they can be written, and in which order.
//!
//! The measure is how full the intake is. What costs the fleet least goes first; acknowledged reports and commands
//! that were accepted are never among it.

/// How loaded the server is. A higher one leaves out all that a lower one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Load {
    #[default]
    Calm,
    /// Open pages are not told of reports and of progress.
    HoldsLive,
    /// Charts get no new samples; the log and the newest state of a device do.
    HoldsHistory,
    /// No transfer begins; those under way go on.
    HoldsTransfers,
    /// No device is let in.
    HoldsConnections,
    /// Each device is read more slowly.
    ReadsSlowly,
}

/// From how full on, of a hundred. A full intake is the end of it: nothing is read then.
const FROM: [(u32, Load); 5] = [
    (90, Load::ReadsSlowly),
    (80, Load::HoldsConnections),
    (70, Load::HoldsTransfers),
    (60, Load::HoldsHistory),
    (50, Load::HoldsLive),
];

impl Load {
    /// The one spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::HoldsLive => "holds_live",
            Self::HoldsHistory => "holds_history",
            Self::HoldsTransfers => "holds_transfers",
            Self::HoldsConnections => "holds_connections",
            Self::ReadsSlowly => "reads_slowly",
        }
    }

    /// The load of an intake that is this full, of a hundred.
    #[must_use]
    pub fn of(percent: u32) -> Self {
        FROM.iter().find(|(from, _)| percent >= *from).map_or(Self::Calm, |(_, load)| *load)
    }

    #[must_use]
    pub fn shows_live(self) -> bool {
        self < Self::HoldsLive
    }

    #[must_use]
    pub fn keeps_history(self) -> bool {
        self < Self::HoldsHistory
    }

    #[must_use]
    pub fn begins_transfers(self) -> bool {
        self < Self::HoldsTransfers
    }

    #[must_use]
    pub fn lets_in(self) -> bool {
        self < Self::HoldsConnections
    }

    #[must_use]
    pub fn reads_slowly(self) -> bool {
        self >= Self::ReadsSlowly
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What still goes on, in the order in which it is left out.
    fn goes_on(load: Load) -> [bool; 5] {
        [load.shows_live(), load.keeps_history(), load.begins_transfers(), load.lets_in(), !load.reads_slowly()]
    }

    #[test]
    fn live_goes_first_then_history_then_transfers_then_connections_then_speed() {
        let mut left_out = 0;
        for percent in 0..=100 {
            let now = goes_on(Load::of(percent));
            let count = now.iter().filter(|on| !**on).count();
            assert!(now[..count].iter().all(|on| !on), "{percent} %: {now:?} is out of order");
            assert!(count == left_out || count == left_out + 1, "{percent} %: one thing at a time");
            left_out = count;
        }
        assert_eq!(left_out, 5, "a full intake leaves all of it out");
        assert_eq!(goes_on(Load::of(49)), [true; 5]);
    }
}
