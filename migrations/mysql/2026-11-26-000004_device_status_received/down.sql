DROP INDEX IF EXISTS device_status_received ON device_status;
