-- Only as long as the bodies are still where they were: each step may come twice.
SET @move = IF(
    EXISTS(SELECT 1 FROM information_schema.columns
        WHERE table_schema = DATABASE() AND table_name = 'device_status' AND column_name = 'body'),
    'INSERT IGNORE INTO device_reports (key_id, body) SELECT key_id, body FROM device_status',
    'DO 0');
PREPARE move FROM @move;
EXECUTE move;
DEALLOCATE PREPARE move;
