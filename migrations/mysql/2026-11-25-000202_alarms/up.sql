CREATE TABLE IF NOT EXISTS alarms (
    key_id BIGINT NOT NULL,
    kind VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    raised_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, kind),
    KEY alarms_kind (kind, raised_at),
    FOREIGN KEY (key_id) REFERENCES devices (key_id) ON DELETE CASCADE
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
