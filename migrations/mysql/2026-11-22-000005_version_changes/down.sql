DROP TABLE version_changes;
