DROP TABLE fleet_course;
