PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'PRIMARY KEY', 'PRIMARY KEY AUTOINCREMENT')
    WHERE type = 'table' AND name = 'samples';
PRAGMA writable_schema = RESET;

CREATE TABLE device_status_whole (
    key_id BIGINT NOT NULL PRIMARY KEY REFERENCES devices (key_id) ON DELETE CASCADE,
    reported_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    cpu_utilization DOUBLE,
    load_average DOUBLE,
    temperature DOUBLE,
    disk_used_percent DOUBLE,
    speed DOUBLE,
    latitude DOUBLE,
    longitude DOUBLE,
    body MEDIUMTEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO device_status_whole
    SELECT s.key_id, s.reported_at, s.received_at, s.cpu_utilization, s.load_average, s.temperature,
        s.disk_used_percent, s.speed, s.latitude, s.longitude, r.body
    FROM device_status s JOIN device_reports r ON r.key_id = s.key_id;
DROP TABLE device_status;
DROP TABLE device_reports;
ALTER TABLE device_status_whole RENAME TO device_status;
CREATE INDEX device_status_numbers ON device_status (received_at, temperature, disk_used_percent, cpu_utilization, load_average,
    speed, latitude, longitude);
