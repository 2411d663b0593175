CREATE TABLE IF NOT EXISTS device_modules (
    key_id BIGINT NOT NULL,
    module VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    previous VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    since BIGINT NOT NULL,
    PRIMARY KEY (key_id, module),
    KEY device_modules_version (module, version),
    FOREIGN KEY (key_id) REFERENCES devices (key_id) ON DELETE CASCADE
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
