CREATE TABLE IF NOT EXISTS audit (
    number BIGINT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    who VARCHAR(190) NOT NULL,
    via VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    role VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    verb VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    subject VARCHAR(255) NOT NULL,
    details MEDIUMTEXT NOT NULL,
    hash VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    INDEX audit_who (who, number)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
