CREATE INDEX IF NOT EXISTS assignments_wrong ON assignments (state, key_id, module, rollout_id);
