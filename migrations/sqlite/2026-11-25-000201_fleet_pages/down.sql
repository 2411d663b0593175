DROP INDEX assignments_wrong;
DROP INDEX device_status_numbers;
DROP TABLE saved_views;
DROP TABLE fleet_course;
DROP TABLE alarms;
DROP TABLE connections;
