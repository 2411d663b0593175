CREATE INDEX assignment_history_rollout ON assignment_history (rollout_id, changed_at);
DROP INDEX assignment_history_course;
