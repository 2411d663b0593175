CREATE TABLE IF NOT EXISTS assignments (
    rollout_id BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    module VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    from_version VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    to_version VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    state VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    reason TEXT,
    stage BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    until BIGINT,
    seen_since BIGINT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (rollout_id, key_id, module),
    KEY assignments_device (key_id, module, rollout_id),
    KEY assignments_state (rollout_id, state),
    FOREIGN KEY (rollout_id) REFERENCES rollouts (id) ON DELETE CASCADE,
    FOREIGN KEY (key_id) REFERENCES devices (key_id) ON DELETE CASCADE
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
