CREATE TABLE IF NOT EXISTS device_status (
    key_id BIGINT NOT NULL PRIMARY KEY,
    reported_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    cpu_utilization DOUBLE,
    load_average DOUBLE,
    temperature DOUBLE,
    disk_used_percent DOUBLE,
    speed DOUBLE,
    latitude DOUBLE,
    longitude DOUBLE,
    body MEDIUMTEXT NOT NULL,
    FOREIGN KEY (key_id) REFERENCES devices (key_id) ON DELETE CASCADE
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
