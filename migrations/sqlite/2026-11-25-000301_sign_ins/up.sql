-- Where and when a person signed in and was seen last, and the second factor.
ALTER TABLE sessions ADD COLUMN began_at BIGINT;
ALTER TABLE sessions ADD COLUMN seen_at BIGINT;
ALTER TABLE sessions ADD COLUMN address VARCHAR(64);
ALTER TABLE sessions ADD COLUMN browser VARCHAR(190);

CREATE TABLE second_factors (
    user_id BIGINT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    secret VARCHAR(64) NOT NULL,
    since BIGINT NOT NULL,
    -- The time step of the code that was used last: a code counts once.
    last_step BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE recovery_codes (
    hash VARCHAR(64) NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX recovery_codes_user ON recovery_codes (user_id);
