-- How much receivers with a storm rule were told of late, as JSON; `due_at`: when a summary is due.
CREATE TABLE storms (receiver TEXT PRIMARY KEY, storm TEXT NOT NULL, due_at BIGINT) {clustered};
CREATE INDEX storms_due ON storms (due_at) WHERE due_at IS NOT NULL;

-- What people were not told of one by one because of a storm: it is counted in the summaries.
CREATE TABLE storm_incidents (
    receiver TEXT NOT NULL,
    incident_id BIGINT NOT NULL,
    PRIMARY KEY (receiver, incident_id)
) {clustered};
