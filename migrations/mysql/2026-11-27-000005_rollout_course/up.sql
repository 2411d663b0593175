-- How a rollout went is counted by state and time, and read from the index alone.
CREATE INDEX IF NOT EXISTS assignment_history_course ON assignment_history (rollout_id, state, changed_at);
