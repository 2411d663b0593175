CREATE TABLE IF NOT EXISTS version_changes (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    key_id BIGINT NOT NULL,
    module VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    old_version VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    new_version VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    changed_at BIGINT NOT NULL,
    KEY version_changes_device (key_id, id),
    FOREIGN KEY (key_id) REFERENCES devices (key_id) ON DELETE CASCADE
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
