DROP TABLE device_groups;
