DROP INDEX IF EXISTS assignment_history_rollout ON assignment_history;
