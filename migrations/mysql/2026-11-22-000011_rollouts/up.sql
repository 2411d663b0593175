CREATE TABLE IF NOT EXISTS rollouts (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    state VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    why TEXT,
    allow_rollback BOOLEAN NOT NULL,
    target MEDIUMTEXT NOT NULL,
    policy TEXT NOT NULL,
    open_stages BIGINT NOT NULL,
    stages BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by VARCHAR(190) NOT NULL,
    ended_at BIGINT,
    KEY rollouts_state (state)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
