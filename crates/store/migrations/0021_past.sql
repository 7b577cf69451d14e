-- What people defined before: each document as it was until then, when it was changed or taken back. Destinations and
-- what people set for plugins are not kept, for the sake of their secrets.
CREATE TABLE definitions_past (
    id BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    owner BIGINT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (id, until_at)
);
CREATE INDEX definitions_past_by_kind ON definitions_past (kind, owner, until_at);
CREATE INDEX definitions_past_by_end ON definitions_past (until_at);

-- Incidents as they were until then, when what filters ask about changed: how bad they were, labels and tags.
CREATE TABLE incidents_past (
    incident_id BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    incident TEXT NOT NULL,
    PRIMARY KEY (incident_id, until_at)
) {clustered};
