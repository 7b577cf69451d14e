-- What calendars said by which layers of schedules go. `address`: a hash of where it was fetched, empty when somebody
-- uploaded it. `body`: the last that could be read. `shifts`, `skipped`: JSON, what came of it when it was read at
-- `read_at`, by whoever was a user then. `due_at`: when it is fetched next; none: it is not.
CREATE TABLE calendars (
    schedule_id BIGINT NOT NULL,
    layer TEXT NOT NULL,
    address TEXT NOT NULL,
    etag TEXT NOT NULL,
    last_modified TEXT NOT NULL,
    body TEXT NOT NULL,
    shifts TEXT NOT NULL,
    skipped TEXT NOT NULL,
    skipped_count BIGINT NOT NULL,
    fetched_at BIGINT,
    read_at BIGINT NOT NULL,
    due_at BIGINT,
    failures BIGINT NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (schedule_id, layer)
) {clustered};

-- Links by which programs for calendars fetch who is on call: of a schedule, or of a user. `etag`, `changed_at`: of
-- what was fetched last.
CREATE TABLE calendar_links (
    id {key} PRIMARY KEY,
    hash TEXT NOT NULL,
    owner BIGINT NOT NULL,
    about TEXT NOT NULL,
    about_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    etag TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX calendar_links_by_hash ON calendar_links (hash);
CREATE INDEX calendar_links_of_owner ON calendar_links (owner);

-- What was found about schedules and policies that somebody has to know: by its key a sum of the words.
CREATE TABLE duty_findings (
    key TEXT PRIMARY KEY,
    sum BIGINT NOT NULL
);

-- Who was told of which hand-over.
CREATE TABLE duty_notices (
    schedule_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    comes BIGINT NOT NULL,
    PRIMARY KEY (schedule_id, at, user_id, comes)
) {clustered};
