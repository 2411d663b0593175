-- A device's samples are lines of JSON, many to a row, and the newest of them beside its report: one page changes for a
-- report where there were three. What is stored of its last run is there too; of runs before it nothing moves.
ALTER TABLE device_reports ADD COLUMN boot_id VARCHAR(36);
ALTER TABLE device_reports ADD COLUMN ranges TEXT;
ALTER TABLE device_reports ADD COLUMN recent MEDIUMTEXT NOT NULL DEFAULT '';

CREATE TABLE sample_blocks (
    id INTEGER NOT NULL PRIMARY KEY,
    key_id BIGINT NOT NULL REFERENCES devices (key_id) ON DELETE CASCADE,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    samples MEDIUMTEXT NOT NULL
);
INSERT INTO sample_blocks (key_id, first_at, last_at, samples)
    SELECT key_id, MIN(reported_at), MAX(reported_at), group_concat(line, '')
    FROM (
        SELECT key_id, reported_at,
            json_array(reported_at, cpu_utilization, load_average, temperature, disk_used_percent, speed, latitude,
                longitude) || char(10) AS line,
            (row_number() OVER (PARTITION BY key_id ORDER BY reported_at, id) - 1) / 64 AS block
        FROM samples
    )
    GROUP BY key_id, block;
CREATE INDEX sample_blocks_device ON sample_blocks (key_id, last_at);
DROP TABLE samples;
