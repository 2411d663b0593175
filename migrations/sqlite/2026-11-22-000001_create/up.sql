-- Kinds are written as MySQL names them, so that the two schemas can be compared column by column.
-- Instants are Unix milliseconds, UTC. JSON is text.

CREATE TABLE settings (
    name VARCHAR(190) NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- AUTOINCREMENT: the key of a deleted device is never used again.
CREATE TABLE devices (
    key_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    device_id VARCHAR(64) NOT NULL UNIQUE,
    name VARCHAR(190) NOT NULL,
    -- Lower-cased name, a line feed, lower-cased device_id: what is searched, and the order by name.
    search_key VARCHAR(512) NOT NULL,
    online BOOLEAN NOT NULL,
    since BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    token_hash VARCHAR(64) UNIQUE,
    may_enrol_again BOOLEAN NOT NULL
);
CREATE INDEX devices_search_key ON devices (search_key, key_id);
CREATE INDEX devices_online ON devices (online, since);

CREATE TABLE device_tags (
    key_id BIGINT NOT NULL REFERENCES devices (key_id) ON DELETE CASCADE,
    name VARCHAR(190) NOT NULL,
    value VARCHAR(190) NOT NULL,
    PRIMARY KEY (key_id, name)
) WITHOUT ROWID;
CREATE INDEX device_tags_value ON device_tags (name, value);

CREATE TABLE device_modules (
    key_id BIGINT NOT NULL REFERENCES devices (key_id) ON DELETE CASCADE,
    module VARCHAR(64) NOT NULL,
    version VARCHAR(64) NOT NULL,
    previous VARCHAR(64),
    since BIGINT NOT NULL,
    PRIMARY KEY (key_id, module)
) WITHOUT ROWID;
CREATE INDEX device_modules_version ON device_modules (module, version);

CREATE TABLE version_changes (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    key_id BIGINT NOT NULL REFERENCES devices (key_id) ON DELETE CASCADE,
    module VARCHAR(64) NOT NULL,
    old_version VARCHAR(64),
    new_version VARCHAR(64),
    changed_at BIGINT NOT NULL
);
CREATE INDEX version_changes_device ON version_changes (key_id, id);

CREATE TABLE device_status (
    key_id BIGINT NOT NULL PRIMARY KEY REFERENCES devices (key_id) ON DELETE CASCADE,
    reported_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    cpu_utilization DOUBLE,
    load_average DOUBLE,
    temperature DOUBLE,
    disk_used_percent DOUBLE,
    speed DOUBLE,
    latitude DOUBLE,
    longitude DOUBLE,
    body MEDIUMTEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE samples (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    key_id BIGINT NOT NULL REFERENCES devices (key_id) ON DELETE CASCADE,
    reported_at BIGINT NOT NULL,
    cpu_utilization DOUBLE,
    load_average DOUBLE,
    temperature DOUBLE,
    disk_used_percent DOUBLE,
    speed DOUBLE,
    latitude DOUBLE,
    longitude DOUBLE
);
CREATE INDEX samples_device ON samples (key_id, reported_at);

CREATE TABLE report_runs (
    key_id BIGINT NOT NULL REFERENCES devices (key_id) ON DELETE CASCADE,
    boot_id VARCHAR(36) NOT NULL,
    ranges TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, boot_id)
) WITHOUT ROWID;

CREATE TABLE packages (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(64) NOT NULL,
    version VARCHAR(64) NOT NULL,
    size BIGINT NOT NULL,
    sha256 VARCHAR(64) NOT NULL,
    file_name VARCHAR(255) NOT NULL,
    notes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by VARCHAR(190) NOT NULL,
    signed_by VARCHAR(190),
    signature TEXT,
    UNIQUE (name, version)
);
CREATE INDEX packages_sha256 ON packages (sha256);

CREATE TABLE modules (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    current_version VARCHAR(64)
) WITHOUT ROWID;

CREATE TABLE rollouts (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    state VARCHAR(32) NOT NULL,
    why TEXT,
    allow_rollback BOOLEAN NOT NULL,
    target MEDIUMTEXT NOT NULL,
    policy TEXT NOT NULL,
    open_stages BIGINT NOT NULL,
    stages BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by VARCHAR(190) NOT NULL,
    ended_at BIGINT
);
CREATE INDEX rollouts_state ON rollouts (state);

-- What is released is copied: a rollout reads the same after its package is deleted.
CREATE TABLE rollout_packages (
    rollout_id BIGINT NOT NULL REFERENCES rollouts (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    module VARCHAR(64) NOT NULL,
    version VARCHAR(64) NOT NULL,
    size BIGINT NOT NULL,
    sha256 VARCHAR(64) NOT NULL,
    signature TEXT,
    previous_version VARCHAR(64),
    PRIMARY KEY (rollout_id, position)
) WITHOUT ROWID;
CREATE INDEX rollout_packages_version ON rollout_packages (module, version);

CREATE TABLE assignments (
    rollout_id BIGINT NOT NULL REFERENCES rollouts (id) ON DELETE CASCADE,
    key_id BIGINT NOT NULL REFERENCES devices (key_id) ON DELETE CASCADE,
    module VARCHAR(64) NOT NULL,
    from_version VARCHAR(64),
    to_version VARCHAR(64) NOT NULL,
    state VARCHAR(32) NOT NULL,
    reason TEXT,
    stage BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    until BIGINT,
    seen_since BIGINT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (rollout_id, key_id, module)
) WITHOUT ROWID;
CREATE INDEX assignments_device ON assignments (key_id, module, rollout_id);
CREATE INDEX assignments_state ON assignments (rollout_id, state);

CREATE TABLE users (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(190) NOT NULL,
    -- The name in lower case: names are unique whatever the case.
    name_key VARCHAR(255) NOT NULL UNIQUE,
    password_hash VARCHAR(255) NOT NULL,
    role VARCHAR(32) NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE sessions (
    key_hash VARCHAR(64) NOT NULL PRIMARY KEY,
    user_id BIGINT REFERENCES users (id) ON DELETE CASCADE,
    state MEDIUMTEXT NOT NULL,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE api_tokens (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(190) NOT NULL,
    role VARCHAR(32) NOT NULL,
    hash VARCHAR(64) NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    created_by VARCHAR(190) NOT NULL,
    expires_at BIGINT,
    revoked BOOLEAN NOT NULL
);

CREATE TABLE enrolment_tokens (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    hash VARCHAR(64) NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    created_by VARCHAR(190) NOT NULL,
    uses_left BIGINT,
    expires_at BIGINT,
    revoked BOOLEAN NOT NULL
);
