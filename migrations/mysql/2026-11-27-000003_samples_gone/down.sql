CREATE TABLE IF NOT EXISTS samples (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    key_id BIGINT NOT NULL,
    reported_at BIGINT NOT NULL,
    cpu_utilization DOUBLE,
    load_average DOUBLE,
    temperature DOUBLE,
    disk_used_percent DOUBLE,
    speed DOUBLE,
    latitude DOUBLE,
    longitude DOUBLE,
    KEY samples_device (key_id, reported_at),
    FOREIGN KEY (key_id) REFERENCES devices (key_id) ON DELETE CASCADE
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
