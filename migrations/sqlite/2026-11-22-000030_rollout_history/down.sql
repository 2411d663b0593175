ALTER TABLE rollout_packages DROP COLUMN requirements;
ALTER TABLE packages DROP COLUMN requirements;
ALTER TABLE rollouts DROP COLUMN takes_back;
ALTER TABLE rollouts DROP COLUMN approved_by;
ALTER TABLE rollouts DROP COLUMN plan;
DROP TABLE strikes;
DROP TABLE assignment_history;
