DROP TABLE device_tags;
