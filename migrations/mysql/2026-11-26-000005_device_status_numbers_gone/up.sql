DROP INDEX IF EXISTS device_status_numbers ON device_status;
