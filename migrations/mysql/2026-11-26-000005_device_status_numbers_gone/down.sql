CREATE INDEX IF NOT EXISTS device_status_numbers ON device_status (received_at, temperature, disk_used_percent, cpu_utilization, load_average,
    speed, latitude, longitude);
