-- Errors that programs report. Those that are alike are an issue, which is an incident: `id` is the incident's. What
-- an issue has besides is here. `merged_into`: the issue that it counts as. `life`: JSON. `haystack`: what words are
-- looked for in, in lower case.
CREATE TABLE issues (
    id {key} PRIMARY KEY,
    project_id BIGINT NOT NULL,
    merged_into BIGINT,
    life TEXT NOT NULL,
    users_seen BIGINT NOT NULL,
    first_release TEXT NOT NULL,
    last_release TEXT NOT NULL,
    haystack TEXT NOT NULL
);
CREATE INDEX issues_of_project ON issues (project_id, id);
CREATE INDEX issues_merged ON issues (merged_into) WHERE merged_into IS NOT NULL;

-- What errors of an issue have in common, as a sum; `issue_id` 0: they are not wanted. An issue may have many.
CREATE TABLE issue_hashes (
    project_id BIGINT NOT NULL,
    hash TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    issue_id BIGINT NOT NULL,
    PRIMARY KEY (project_id, hash)
) {clustered};
CREATE INDEX issue_hashes_of_issue ON issue_hashes (issue_id);

-- Each error. `event_key`: a sum of its project and of the id that its client gave it. `base`: the text that `body` was
-- compressed against; nothing: it stands for itself. `at`: when it happened.
CREATE TABLE error_events (
    id {key} PRIMARY KEY,
    project_id BIGINT NOT NULL,
    issue_id BIGINT NOT NULL,
    event_key BIGINT NOT NULL,
    at BIGINT NOT NULL,
    base BIGINT,
    body {bytes} NOT NULL
);
CREATE INDEX error_events_of_issue ON error_events (issue_id, id);
CREATE INDEX error_events_by_key ON error_events (event_key);

-- The first error of its sum, compressed: what those after it are compressed against, since they say nearly the same.
CREATE TABLE error_bases (
    id {key} PRIMARY KEY,
    project_id BIGINT NOT NULL,
    hash TEXT NOT NULL,
    body {bytes} NOT NULL
);
CREATE INDEX error_bases_by_hash ON error_bases (project_id, hash, id);

-- How many of an issue in each hour since the epoch, how many of these are kept, and their bytes.
CREATE TABLE issue_hours (
    issue_id BIGINT NOT NULL,
    hour BIGINT NOT NULL,
    times BIGINT NOT NULL,
    kept BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (issue_id, hour)
) {clustered};

-- Who was hit by an issue: sums of what users are known by.
CREATE TABLE issue_users (
    issue_id BIGINT NOT NULL,
    user_key BIGINT NOT NULL,
    PRIMARY KEY (issue_id, user_key)
) {clustered};

-- How often each value of each tag came with an issue.
CREATE TABLE issue_tags (
    issue_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    times BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    PRIMARY KEY (issue_id, name, value)
) {clustered};

-- Releases and environments that a project was heard of in.
CREATE TABLE project_seen (
    project_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    times BIGINT NOT NULL,
    PRIMARY KEY (project_id, kind, value)
) {clustered};

-- What a project sent in each hour: `event`, what was dropped and why, what clients say that they dropped.
CREATE TABLE project_hours (
    project_id BIGINT NOT NULL,
    hour BIGINT NOT NULL,
    what TEXT NOT NULL,
    times BIGINT NOT NULL,
    PRIMARY KEY (project_id, hour, what)
) {clustered};

-- What users said about an error that hit them.
CREATE TABLE error_feedback (
    id {key} PRIMARY KEY,
    project_id BIGINT NOT NULL,
    issue_id BIGINT,
    event_key BIGINT,
    at BIGINT NOT NULL,
    said TEXT NOT NULL
);
CREATE INDEX error_feedback_of_issue ON error_feedback (issue_id, id);
CREATE INDEX error_feedback_by_event ON error_feedback (event_key) WHERE event_key IS NOT NULL;
