CREATE TABLE IF NOT EXISTS device_tags (
    key_id BIGINT NOT NULL,
    name VARCHAR(190) NOT NULL,
    value VARCHAR(190) NOT NULL,
    PRIMARY KEY (key_id, name),
    KEY device_tags_value (name, value),
    FOREIGN KEY (key_id) REFERENCES devices (key_id) ON DELETE CASCADE
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
