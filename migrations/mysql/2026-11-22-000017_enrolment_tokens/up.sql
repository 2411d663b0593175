CREATE TABLE IF NOT EXISTS enrolment_tokens (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    hash VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    created_by VARCHAR(190) NOT NULL,
    uses_left BIGINT,
    expires_at BIGINT,
    revoked BOOLEAN NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
