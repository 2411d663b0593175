//! What a course has of each device, in one place: its turn, what is open for it, and where it stands.

use std::collections::HashMap;

use super::*;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Seats {
    by_device: ByDevice<Seat>,
    /// Devices with something open.
    open: usize,
    /// Devices that wait, whose stage is open, and that are there or were a moment ago.
    reachable: usize,
}

#[derive(Debug)]
struct Seat {
    turn: Turn,
    /// What is open, in the order of the rollout's packages.
    rows: Vec<Assignment>,
    is_reachable: bool,
    /// Under which stage it is among those that can be offered something.
    ready: Option<u32>,
    /// When it is looked at again.
    wake: Option<Timestamp>,
}

impl Seat {
    fn new(turn: Turn) -> Self {
        Self { turn, rows: Vec::new(), is_reachable: false, ready: None, wake: None }
    }
}

impl Seats {
    /// For devices that have had a turn, with room for so many more.
    pub fn new(turns: HashMap<KeyId, Turn>, more: usize) -> Self {
        let mut seats = Self::default();
        seats.by_device.reserve(turns.len() + more);
        seats.by_device.extend(turns.into_iter().map(|(key, turn)| (key, Seat::new(turn))));
        seats
    }

    pub fn devices(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.by_device.keys().copied()
    }

    pub fn turn(&self, key: KeyId) -> Option<&Turn> {
        self.by_device.get(&key).map(|seat| &seat.turn)
    }

    pub fn turn_mut(&mut self, key: KeyId) -> Option<&mut Turn> {
        self.by_device.get_mut(&key).map(|seat| &mut seat.turn)
    }

    /// Its turn; a device without one gets this.
    pub fn turn_or(&mut self, key: KeyId, turn: Turn) -> &mut Turn {
        &mut self.by_device.entry(key).or_insert_with(|| Seat::new(turn)).turn
    }

    pub fn rows(&self, key: KeyId) -> &[Assignment] {
        self.by_device.get(&key).map_or(&[], |seat| &seat.rows)
    }

    pub fn row_mut(&mut self, key: KeyId, module: &ModuleName) -> Option<&mut Assignment> {
        self.by_device.get_mut(&key)?.rows.iter_mut().find(|row| row.module == *module)
    }

    pub fn open_devices(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.by_device.iter().filter(|(_, seat)| !seat.rows.is_empty()).map(|(key, _)| *key)
    }

    pub fn open_rows(&self) -> impl Iterator<Item = &Assignment> {
        self.by_device.values().flat_map(|seat| &seat.rows)
    }

    pub const fn any_open(&self) -> bool {
        self.open > 0
    }

    pub const fn any_reachable(&self) -> bool {
        self.reachable > 0
    }

    /// Takes an assignment in hand, in the state it is in.
    pub fn open(&mut self, row: Assignment, rollout: &Rollout) {
        let rows = &mut self.by_device.entry(row.key_id).or_insert_with(|| Seat::new(Turn::new(row.stage))).rows;
        self.open += usize::from(rows.is_empty());
        // Most have one, and there are many of them.
        rows.reserve_exact(1);
        rows.push(row);
        if rows.len() > 1 {
            rows.sort_by_key(|row| rollout.packages.iter().position(|p| p.release.module == row.module));
        }
    }

    /// An assignment is open no more. Whether it was the last one of its device.
    pub fn end(&mut self, key: KeyId, module: &ModuleName) -> bool {
        let Some(seat) = self.by_device.get_mut(&key).filter(|seat| !seat.rows.is_empty()) else { return false };
        seat.rows.retain(|row| row.module != *module);
        let was_last = seat.rows.is_empty();
        if was_last {
            // Most devices of a course have had their turn.
            seat.rows = Vec::new();
            self.open -= 1;
        }
        was_last
    }

    pub fn set_reachable(&mut self, key: KeyId, is_reachable: bool) {
        let Some(seat) = self.by_device.get_mut(&key) else { return };
        let before = std::mem::replace(&mut seat.is_reachable, is_reachable);
        self.reachable = self.reachable + usize::from(is_reachable) - usize::from(before);
    }

    /// Answers what it was; `None`: it has no seat, and is never ready.
    pub fn set_ready(&mut self, key: KeyId, stage: Option<u32>) -> Option<Option<u32>> {
        self.by_device.get_mut(&key).map(|seat| std::mem::replace(&mut seat.ready, stage))
    }

    /// Answers what it was; `None`: it has no seat, and is never looked at.
    pub fn set_wake(&mut self, key: KeyId, at: Option<Timestamp>) -> Option<Option<Timestamp>> {
        self.by_device.get_mut(&key).map(|seat| std::mem::replace(&mut seat.wake, at))
    }

    /// A device is gone for good.
    pub fn remove(&mut self, key: KeyId) {
        if let Some(seat) = self.by_device.remove(&key) {
            self.open -= usize::from(!seat.rows.is_empty());
            self.reachable -= usize::from(seat.is_reachable);
        }
    }
}
