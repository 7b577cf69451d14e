-- Programs that report their errors. `id` is small and only grows: clients insist on a number. `settings`: JSON. One
-- with `gone_at` was deleted, and what belongs to it is being forgotten.
CREATE TABLE projects (
    id {key} PRIMARY KEY,
    slug TEXT NOT NULL,
    platform TEXT NOT NULL,
    team_id BIGINT,
    settings TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    gone_at BIGINT
);
CREATE UNIQUE INDEX projects_by_slug ON projects (slug);

-- What those programs are known by. `rate_events` in `rate_seconds`: what is taken in at the most; nothing: no limit.
CREATE TABLE project_keys (
    id {key} PRIMARY KEY,
    project_id BIGINT NOT NULL,
    public_key TEXT NOT NULL,
    label TEXT NOT NULL,
    rate_events BIGINT,
    rate_seconds BIGINT,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE UNIQUE INDEX project_keys_by_public_key ON project_keys (public_key);
CREATE INDEX project_keys_of_project ON project_keys (project_id);
