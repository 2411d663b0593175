UPDATE device_status s JOIN device_reports r ON r.key_id = s.key_id SET s.body = r.body;
