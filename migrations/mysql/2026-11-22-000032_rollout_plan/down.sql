ALTER TABLE rollouts DROP COLUMN plan, DROP COLUMN approved_by, DROP COLUMN takes_back;
