CREATE TABLE IF NOT EXISTS report_runs (
    key_id BIGINT NOT NULL,
    boot_id VARCHAR(36) NOT NULL,
    ranges TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, boot_id),
    FOREIGN KEY (key_id) REFERENCES devices (key_id) ON DELETE CASCADE
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
