-- What systems tell of incidents through machine users of their own. Kinds are names of types. `heartbeat_every`: in
-- microseconds; nothing: none is expected. `due_at`: when one is missed.
CREATE TABLE source_kinds (name TEXT PRIMARY KEY) {clustered};
CREATE TABLE sources (
    id {key} PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    base_url TEXT NOT NULL,
    user_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen BIGINT,
    heartbeat_every BIGINT,
    due_at BIGINT,
    overdue BIGINT NOT NULL
);
CREATE UNIQUE INDEX sources_by_name ON sources (name, kind);
CREATE UNIQUE INDEX sources_by_user ON sources (user_id);

-- What incidents have besides, as JSON (empty: nothing), and the registered source that they come from. A key of such
-- a source is used once.
ALTER TABLE incidents ADD COLUMN extra TEXT NOT NULL DEFAULT '';
ALTER TABLE incidents ADD COLUMN source_id BIGINT;
CREATE INDEX incidents_of_source ON incidents (source_id, id) WHERE source_id IS NOT NULL;
CREATE INDEX incidents_sourced ON incidents (key_hash) WHERE source_id IS NOT NULL;
