CREATE TABLE IF NOT EXISTS sessions (
    key_hash VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    user_id BIGINT,
    state MEDIUMTEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    KEY sessions_user (user_id),
    KEY sessions_expiry (expires_at),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
