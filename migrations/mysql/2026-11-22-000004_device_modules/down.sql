DROP TABLE device_modules;
