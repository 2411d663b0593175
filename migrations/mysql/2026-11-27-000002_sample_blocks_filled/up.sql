-- Only as long as the samples are still where they were: each step may come twice, and this one is all or nothing.
SET @old = EXISTS(SELECT 1 FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_name = 'samples');
SET @longest = @@SESSION.group_concat_max_len;
SET SESSION group_concat_max_len = 1048576;
SET @move = IF(@old AND NOT EXISTS(SELECT 1 FROM sample_blocks),
    'INSERT INTO sample_blocks (key_id, first_at, last_at, samples)
        SELECT key_id, MIN(reported_at), MAX(reported_at), GROUP_CONCAT(line ORDER BY reported_at, id SEPARATOR '''')
        FROM (
            SELECT key_id, reported_at, id,
                CONCAT(JSON_ARRAY(reported_at, cpu_utilization, load_average, temperature, disk_used_percent, speed,
                    latitude, longitude), CHAR(10)) AS line,
                (ROW_NUMBER() OVER (PARTITION BY key_id ORDER BY reported_at, id) - 1) DIV 64 AS block
            FROM samples
        ) AS numbered
        GROUP BY key_id, block',
    'DO 0');
PREPARE move FROM @move;
EXECUTE move;
DEALLOCATE PREPARE move;
SET SESSION group_concat_max_len = @longest;
