//! What a device reports, and what an admin asks for, in the model's world.

use super::*;

impl World {
    pub fn report(&mut self, key: KeyId, temperature: f64) {
        let sample = Sample { temperature: Some(temperature), ..Sample::default() };
        let vitals = Vitals { at: self.now, sample, status: Vec::new() };
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
