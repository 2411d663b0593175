-- Every change of an assignment's state, in order.
CREATE TABLE assignment_history (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    rollout_id BIGINT NOT NULL REFERENCES rollouts (id) ON DELETE CASCADE,
    key_id BIGINT NOT NULL REFERENCES devices (key_id) ON DELETE CASCADE,
    module VARCHAR(64) NOT NULL,
    state VARCHAR(32) NOT NULL,
    reason TEXT,
    changed_at BIGINT NOT NULL
);
CREATE INDEX assignment_history_rollout ON assignment_history (rollout_id, changed_at);
CREATE INDEX assignment_history_device ON assignment_history (key_id, id);
CREATE INDEX assignment_history_age ON assignment_history (changed_at);

-- How often the newest package that failed on a module of a device has done so for good.
CREATE TABLE strikes (
    key_id BIGINT NOT NULL REFERENCES devices (key_id) ON DELETE CASCADE,
    module VARCHAR(64) NOT NULL,
    version VARCHAR(64) NOT NULL,
    failures BIGINT NOT NULL,
    rollout_id BIGINT NOT NULL,
    reason TEXT,
    struck_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, module)
) WITHOUT ROWID;

-- The plan in numbers, as it was when the rollout was written down; who agreed to it; the rollout it takes back.
ALTER TABLE rollouts ADD COLUMN plan TEXT;
ALTER TABLE rollouts ADD COLUMN approved_by VARCHAR(190);
ALTER TABLE rollouts ADD COLUMN takes_back BIGINT;

-- What a package asks of the device it goes to.
ALTER TABLE packages ADD COLUMN requirements TEXT;
ALTER TABLE rollout_packages ADD COLUMN requirements TEXT;
