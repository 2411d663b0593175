ALTER TABLE rollout_packages ADD COLUMN IF NOT EXISTS requirements TEXT;
