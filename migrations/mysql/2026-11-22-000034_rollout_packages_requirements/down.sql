ALTER TABLE rollout_packages DROP COLUMN requirements;
