DROP INDEX device_status_numbers ON device_status;
