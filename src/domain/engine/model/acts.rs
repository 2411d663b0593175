//! What a device reports, and what an admin asks for, in the model's world.

use super::*;

impl World {
    pub fn pass(&mut self, seconds: i64) {
        self.now += TimeDelta::seconds(seconds);
        let effects = self.engine.tick(self.now);
        self.carry_out(effects);
    }

    pub fn report(&mut self, key: KeyId, temperature: f64) {
        let sample = Sample { temperature: Some(temperature), ..Sample::default() };
        self.reports(key, Readings { sample, ..Readings::default() });
    }

    pub fn reports(&mut self, key: KeyId, readings: Readings) {
        let vitals = Vitals { at: self.now, made_at: self.now, readings, status: Vec::new() };
        let effects = self.engine.reported(self.now, key, vitals);
        self.carry_out(effects);
    }

    pub fn retry(&mut self, id: RolloutId) {
        let failed = |row: &&Assignment| row.rollout == id && (row.state.is_failure() || row.state == S::Declined);
        let rows = self.rows.values().filter(failed).cloned().collect();
        if let Ok((effects, _)) = self.engine.retry(self.now, id, rows) {
            self.carry_out(effects);
        }
    }
}

/// All or nothing, in the model's world.
impl World {
    pub fn offered_set(&mut self, offer: crate::domain::OfferSpeech) {
        assert!(self.sets, "a set for a device that can't take one");
        assert_eq!(self.sessions.get(&offer.key_id), Some(&offer.session), "an offer to a session that is gone");
        for release in offer.releases {
            self.offers.insert((offer.key_id, release.module), release.version);
        }
    }

    /// Of one set, none waits while another is on its way or being switched to.
    pub fn check_sets(&self, id: RolloutId) {
        if !self.rollouts[&id].policy.all_or_nothing {
            return;
        }
        let of = |key: KeyId| self.rows.values().filter(move |row| row.rollout == id && row.key_id == key);
        for key in (0..DEVICES).map(KeyId) {
            let waits = of(key).find(|row| row.state == S::Waiting);
            let moves = of(key).find(|row| matches!(row.state, S::Offered | S::Downloading | S::Installing));
            assert!(waits.is_none() || moves.is_none(), "a set was torn: {waits:?}, {moves:?}");
        }
    }
}
