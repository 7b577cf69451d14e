-- What people define for themselves and their teams: destinations, timeslots, filters, profiles, schedules, escalation
-- policies, maintenance. `owner`: a user or a team; 0: everybody. `body`: JSON, as the kind has it.
CREATE TABLE definitions (
    id BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    owner BIGINT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX definitions_by_name ON definitions (kind, owner, name);

-- What is collected for somebody's destination, to be told at once when it is due.
CREATE TABLE digests (
    place TEXT NOT NULL,
    incident_id BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (place, incident_id)
) {clustered};
CREATE INDEX digests_by_due ON digests (due_at);
