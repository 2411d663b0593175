-- Beside a device's report: its newest samples, and what is stored of its last run.
ALTER TABLE device_reports
    ADD COLUMN IF NOT EXISTS boot_id VARCHAR(36),
    ADD COLUMN IF NOT EXISTS ranges TEXT,
    ADD COLUMN IF NOT EXISTS recent MEDIUMTEXT NOT NULL;
