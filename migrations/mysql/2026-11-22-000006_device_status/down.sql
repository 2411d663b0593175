DROP TABLE device_status;
