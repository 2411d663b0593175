CREATE TABLE IF NOT EXISTS device_groups (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    filter TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by VARCHAR(190) NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
