-- What an incident remembers of its beginnings, as JSON (empty: it has never come back), and whether it flaps.
ALTER TABLE incidents ADD COLUMN flap TEXT NOT NULL DEFAULT '';
ALTER TABLE incidents ADD COLUMN flapping BIGINT NOT NULL DEFAULT 0;
CREATE INDEX incidents_flapping ON incidents (id) WHERE flapping = 1;
