-- Whom an error happened to: a sum of what they are known by.
ALTER TABLE error_events ADD COLUMN user_key BIGINT;
