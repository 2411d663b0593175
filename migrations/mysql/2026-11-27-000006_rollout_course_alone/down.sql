CREATE INDEX IF NOT EXISTS assignment_history_rollout ON assignment_history (rollout_id, changed_at);
