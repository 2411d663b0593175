-- What is asked of all last reports at once is in short rows, and their bodies are apart: one index less to keep.
CREATE TABLE device_reports (
    key_id INTEGER NOT NULL PRIMARY KEY REFERENCES devices (key_id) ON DELETE CASCADE,
    body MEDIUMTEXT NOT NULL
);
INSERT INTO device_reports (key_id, body) SELECT key_id, body FROM device_status;

CREATE TABLE device_status_short (
    key_id INTEGER NOT NULL PRIMARY KEY REFERENCES devices (key_id) ON DELETE CASCADE,
    reported_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    cpu_utilization DOUBLE,
    load_average DOUBLE,
    temperature DOUBLE,
    disk_used_percent DOUBLE,
    speed DOUBLE,
    latitude DOUBLE,
    longitude DOUBLE
);
INSERT INTO device_status_short
    SELECT key_id, reported_at, received_at, cpu_utilization, load_average, temperature, disk_used_percent, speed,
        latitude, longitude
    FROM device_status;
DROP TABLE device_status;
ALTER TABLE device_status_short RENAME TO device_status;
CREATE INDEX device_status_received ON device_status (received_at);

-- Samples are only ever told apart by their ids: a table that never gives one twice writes down each it gave.
-- The rows are the same either way, so the table is not written anew: it may have a hundred million of them.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'PRIMARY KEY AUTOINCREMENT', 'PRIMARY KEY')
    WHERE type = 'table' AND name = 'samples';
DELETE FROM sqlite_sequence WHERE name = 'samples';
PRAGMA writable_schema = RESET;
