-- Filters saved under a name. GROUPS is a word of SQL's own, so the table is not called that.
CREATE TABLE device_groups (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    filter TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by VARCHAR(190) NOT NULL
) WITHOUT ROWID;
