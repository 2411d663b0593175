CREATE TABLE IF NOT EXISTS rollout_packages (
    rollout_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    module VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    size BIGINT NOT NULL,
    sha256 VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    signature TEXT,
    previous_version VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    PRIMARY KEY (rollout_id, position),
    KEY rollout_packages_version (module, version),
    FOREIGN KEY (rollout_id) REFERENCES rollouts (id) ON DELETE CASCADE
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
