-- A device's samples are lines of JSON, many to a row.
CREATE TABLE IF NOT EXISTS sample_blocks (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    key_id BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    samples MEDIUMTEXT NOT NULL,
    KEY sample_blocks_device (key_id, last_at),
    FOREIGN KEY (key_id) REFERENCES devices (key_id) ON DELETE CASCADE
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
