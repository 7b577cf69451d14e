-- Whether the first thing that was collected of an incident is that it began: if it is over when the digest is due,
-- there is nothing to tell.
ALTER TABLE digests ADD COLUMN began BIGINT NOT NULL DEFAULT 1;
