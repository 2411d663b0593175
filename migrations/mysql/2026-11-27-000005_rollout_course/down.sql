DROP INDEX IF EXISTS assignment_history_course ON assignment_history;
