-- Whether `ends_at` is no sender's word, but how long senders may be silent.
ALTER TABLE incidents ADD COLUMN times_out BIGINT NOT NULL DEFAULT 0;
