CREATE TABLE IF NOT EXISTS connections (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    key_id BIGINT NOT NULL,
    online BOOLEAN NOT NULL,
    cause VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    happened_at BIGINT NOT NULL,
    KEY connections_device (key_id, id),
    KEY connections_age (happened_at),
    FOREIGN KEY (key_id) REFERENCES devices (key_id) ON DELETE CASCADE
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
