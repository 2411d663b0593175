DROP TABLE assignment_history;
