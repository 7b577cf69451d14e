-- Rules are of a configuration: all of it as text without secrets, who put it in force, what that changed, and
-- which version it went back to (nothing: it is what the files say).
ALTER TABLE rules ADD COLUMN config TEXT NOT NULL DEFAULT '';
ALTER TABLE rules ADD COLUMN by_whom TEXT NOT NULL DEFAULT '';
ALTER TABLE rules ADD COLUMN summary TEXT NOT NULL DEFAULT '';
ALTER TABLE rules ADD COLUMN rolled_back_to BIGINT;
