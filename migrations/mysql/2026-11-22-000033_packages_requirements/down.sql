ALTER TABLE packages DROP COLUMN requirements;
