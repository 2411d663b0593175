ALTER TABLE sessions DROP COLUMN browser, DROP COLUMN address, DROP COLUMN seen_at, DROP COLUMN began_at;
