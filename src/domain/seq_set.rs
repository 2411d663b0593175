//! Which `seq` of a run are stored: a set of numbers kept as ranges.
//!
//! Devices send oldest first, so a run is one range nearly always, and the set is a few bytes whatever the
//! run's length. It is what makes "stored once" exact: a number is in the set or it is not.

/// Numbers as ascending, disjoint, non-adjacent inclusive ranges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeqSet(Vec<(u64, u64)>);

impl SeqSet {
    /// Most ranges kept. When a device leaves more gaps than this, the oldest gap is closed: a report of that gap
    /// that comes after all would be taken for one already stored.
    pub const MAX_RANGES: usize = 64;

    /// Whether `n` is in the set.
    #[must_use]
    pub fn contains(&self, n: u64) -> bool {
        let after = self.0.partition_point(|(low, _)| *low <= n);
        after > 0 && self.0[after - 1].1 >= n
    }

    /// Adds `n`; `false` when it was there.
    pub fn insert(&mut self, n: u64) -> bool {
        if self.contains(n) {
            return false;
        }
        let at = self.0.partition_point(|(low, _)| *low <= n);
        let joins_before = at > 0 && self.0[at - 1].1.checked_add(1) == Some(n);
        let joins_after = at < self.0.len() && n.checked_add(1) == Some(self.0[at].0);
        match (joins_before, joins_after) {
            (true, true) => {
                self.0[at - 1].1 = self.0[at].1;
                self.0.remove(at);
            }
            (true, false) => self.0[at - 1].1 = n,
            (false, true) => self.0[at].0 = n,
            (false, false) => self.0.insert(at, (n, n)),
        }
        if self.0.len() > Self::MAX_RANGES {
            self.0[0].1 = self.0[1].1;
            self.0.remove(1);
        }
        true
    }

    /// The highest number, 0 for none.
    #[must_use]
    pub fn highest(&self) -> u64 {
        self.0.last().map_or(0, |(_, high)| *high)
    }

    /// As stored: `1-40,42-42`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let ranges: Vec<String> = self.0.iter().map(|(low, high)| format!("{low}-{high}")).collect();
        ranges.join(",")
    }

    /// From what [`to_text`](Self::to_text) wrote.
    ///
    /// # Errors
    /// A sentence when the text is anything else.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let mut ranges = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let range = part.split_once('-').and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
            let (low, high): (u64, u64) = range.ok_or_else(|| format!("{part:?} is not a range of numbers"))?;
            let ascending = ranges.last().is_none_or(|(_, before): &(u64, u64)| *before < low);
            if low > high || !ascending {
                return Err(format!("{text:?}: ranges must ascend"));
            }
            ranges.push((low, high));
        }
        Ok(Self(ranges))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_run_in_order_is_one_range() {
        let mut set = SeqSet::default();
        for n in 1..=1000 {
            assert!(set.insert(n));
        }
        assert_eq!(set.to_text(), "1-1000");
        assert!(!set.insert(500));
        assert_eq!(set.highest(), 1000);
    }

    #[test]
    fn more_gaps_than_fit_close_the_oldest() {
        let mut set = SeqSet::default();
        for n in (1..=200).step_by(2) {
            set.insert(n);
        }
        assert!(set.contains(2), "the oldest gap is closed");
        assert!(!set.contains(198), "a recent gap is open");
    }

    proptest! {
        #[test]
        fn it_is_a_set(numbers in prop::collection::vec(1u64..60, 0..120)) {
            let (mut set, mut model) = (SeqSet::default(), BTreeSet::new());
            for n in numbers {
                prop_assert_eq!(set.insert(n), model.insert(n));
                prop_assert_eq!(SeqSet::from_text(&set.to_text()), Ok(set.clone()));
            }
            for n in 0..70 {
                prop_assert_eq!(set.contains(n), model.contains(&n));
            }
        }
    }
}
