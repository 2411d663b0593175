CREATE TABLE IF NOT EXISTS devices (
    key_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    device_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
    name VARCHAR(190) NOT NULL,
    search_key VARCHAR(512) NOT NULL,
    online BOOLEAN NOT NULL,
    since BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    token_hash VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin UNIQUE,
    may_enrol_again BOOLEAN NOT NULL,
    KEY devices_search_key (search_key, key_id),
    KEY devices_online (online, since)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
