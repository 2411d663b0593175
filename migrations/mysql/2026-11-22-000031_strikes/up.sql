CREATE TABLE IF NOT EXISTS strikes (
    key_id BIGINT NOT NULL,
    module VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    failures BIGINT NOT NULL,
    rollout_id BIGINT NOT NULL,
    reason TEXT,
    struck_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, module),
    FOREIGN KEY (key_id) REFERENCES devices (key_id) ON DELETE CASCADE
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
