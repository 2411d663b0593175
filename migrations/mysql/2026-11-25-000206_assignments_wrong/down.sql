DROP INDEX assignments_wrong ON assignments;
