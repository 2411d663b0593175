INSERT INTO sample_blocks (key_id, first_at, last_at, samples)
    SELECT key_id, 0, 0, recent FROM device_reports WHERE recent <> '';
INSERT INTO report_runs (key_id, boot_id, ranges, updated_at)
    SELECT r.key_id, r.boot_id, r.ranges, s.received_at
    FROM device_reports r JOIN device_status s ON s.key_id = r.key_id
    WHERE r.boot_id IS NOT NULL
    ON DUPLICATE KEY UPDATE ranges = VALUES(ranges), updated_at = VALUES(updated_at);
ALTER TABLE device_reports
    DROP COLUMN IF EXISTS boot_id,
    DROP COLUMN IF EXISTS ranges,
    DROP COLUMN IF EXISTS recent;
