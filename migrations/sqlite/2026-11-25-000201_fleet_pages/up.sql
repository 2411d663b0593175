-- How connections of devices began and ended.
CREATE TABLE connections (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    key_id BIGINT NOT NULL REFERENCES devices (key_id) ON DELETE CASCADE,
    online BOOLEAN NOT NULL,
    cause VARCHAR(32) NOT NULL,
    happened_at BIGINT NOT NULL
);
CREATE INDEX connections_device ON connections (key_id, id);
CREATE INDEX connections_age ON connections (happened_at);

-- What was noticed of a device and is not in any other row: two devices under one name.
CREATE TABLE alarms (
    key_id BIGINT NOT NULL REFERENCES devices (key_id) ON DELETE CASCADE,
    kind VARCHAR(32) NOT NULL,
    raised_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, kind)
) WITHOUT ROWID;
CREATE INDEX alarms_kind ON alarms (kind, raised_at);

-- How many devices there were and how many of them online, every few minutes.
CREATE TABLE fleet_course (
    counted_at BIGINT NOT NULL PRIMARY KEY,
    online BIGINT NOT NULL,
    devices BIGINT NOT NULL
) WITHOUT ROWID;

-- What the fleet page was asked, saved under a name.
CREATE TABLE saved_views (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    query TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by VARCHAR(190) NOT NULL
) WITHOUT ROWID;

-- Covers what is asked of all last reports at once, without their bodies.
CREATE INDEX device_status_numbers ON device_status (received_at, temperature, disk_used_percent, cpu_utilization, load_average,
    speed, latitude, longitude);
-- Few assignments go wrong: those that did are found without the others.
CREATE INDEX assignments_wrong ON assignments (key_id, module, rollout_id, state)
    WHERE state IN ('failed', 'reverted', 'timed_out');
