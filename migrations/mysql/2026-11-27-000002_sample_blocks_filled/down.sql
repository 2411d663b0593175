INSERT INTO samples (key_id, reported_at, cpu_utilization, load_average, temperature, disk_used_percent, speed, latitude,
        longitude)
    SELECT b.key_id, s.reported_at, s.cpu_utilization, s.load_average, s.temperature, s.disk_used_percent, s.speed,
        s.latitude, s.longitude
    FROM sample_blocks b, JSON_TABLE(
        CONCAT('[', REPLACE(TRIM(TRAILING CHAR(10) FROM b.samples), CHAR(10), ','), ']'),
        '$[*]' COLUMNS (
            reported_at BIGINT PATH '$[0]',
            cpu_utilization DOUBLE PATH '$[1]',
            load_average DOUBLE PATH '$[2]',
            temperature DOUBLE PATH '$[3]',
            disk_used_percent DOUBLE PATH '$[4]',
            speed DOUBLE PATH '$[5]',
            latitude DOUBLE PATH '$[6]',
            longitude DOUBLE PATH '$[7]'
        )
    ) s
    ORDER BY b.key_id, s.reported_at;
