CREATE INDEX IF NOT EXISTS device_status_received ON device_status (received_at);
