CREATE TABLE samples (
    id INTEGER NOT NULL PRIMARY KEY,
    key_id BIGINT NOT NULL REFERENCES devices (key_id) ON DELETE CASCADE,
    reported_at BIGINT NOT NULL,
    cpu_utilization DOUBLE,
    load_average DOUBLE,
    temperature DOUBLE,
    disk_used_percent DOUBLE,
    speed DOUBLE,
    latitude DOUBLE,
    longitude DOUBLE
);
INSERT INTO samples (key_id, reported_at, cpu_utilization, load_average, temperature, disk_used_percent, speed, latitude,
        longitude)
    SELECT b.key_id, s.value ->> 0, s.value ->> 1, s.value ->> 2, s.value ->> 3, s.value ->> 4, s.value ->> 5,
        s.value ->> 6, s.value ->> 7
    FROM (
        SELECT key_id, samples, 0 AS newest FROM sample_blocks
        UNION ALL
        SELECT key_id, recent, 1 FROM device_reports WHERE recent <> ''
    ) b, json_each('[' || replace(rtrim(b.samples, char(10)), char(10), ',') || ']') s
    ORDER BY b.key_id, s.value ->> 0;
CREATE INDEX samples_device ON samples (key_id, reported_at);
DROP TABLE sample_blocks;

INSERT INTO report_runs (key_id, boot_id, ranges, updated_at)
    SELECT r.key_id, r.boot_id, r.ranges, s.received_at
    FROM device_reports r JOIN device_status s ON s.key_id = r.key_id
    WHERE r.boot_id IS NOT NULL
    ON CONFLICT (key_id, boot_id) DO UPDATE SET ranges = excluded.ranges, updated_at = excluded.updated_at;
ALTER TABLE device_reports DROP COLUMN boot_id;
ALTER TABLE device_reports DROP COLUMN ranges;
ALTER TABLE device_reports DROP COLUMN recent;
