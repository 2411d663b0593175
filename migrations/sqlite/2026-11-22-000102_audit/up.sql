CREATE TABLE audit (
    number BIGINT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    who VARCHAR(190) NOT NULL,
    via VARCHAR(32) NOT NULL,
    role VARCHAR(32),
    verb VARCHAR(64) NOT NULL,
    subject VARCHAR(255) NOT NULL,
    details MEDIUMTEXT NOT NULL,
    hash VARCHAR(64) NOT NULL
) WITHOUT ROWID;
CREATE INDEX audit_who ON audit (who, number);

-- The end of the chain: without it, the last rows could be taken away unseen.
CREATE TABLE audit_head (
    id BIGINT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    hash VARCHAR(64) NOT NULL
) WITHOUT ROWID;
INSERT INTO audit_head (id, number, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
