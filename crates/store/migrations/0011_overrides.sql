-- Settings that were changed while the hub ran: all that are in force together, as JSON, a row for each change.
CREATE TABLE config_overrides (
    version {key} PRIMARY KEY,
    at BIGINT NOT NULL,
    by_whom TEXT NOT NULL,
    summary TEXT NOT NULL,
    rolled_back_to BIGINT,
    document TEXT NOT NULL
);
