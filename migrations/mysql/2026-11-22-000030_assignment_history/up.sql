CREATE TABLE IF NOT EXISTS assignment_history (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    rollout_id BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    module VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    state VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    reason TEXT,
    changed_at BIGINT NOT NULL,
    KEY assignment_history_rollout (rollout_id, changed_at),
    KEY assignment_history_device (key_id, id),
    KEY assignment_history_age (changed_at),
    FOREIGN KEY (rollout_id) REFERENCES rollouts (id) ON DELETE CASCADE,
    FOREIGN KEY (key_id) REFERENCES devices (key_id) ON DELETE CASCADE
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
