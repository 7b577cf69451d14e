-- Where incidents stand in their escalation. `held`: what keeps pages back at the moment, in words.
CREATE TABLE escalations (
    incident_id BIGINT PRIMARY KEY,
    policy BIGINT NOT NULL,
    state TEXT NOT NULL,
    due_at BIGINT,
    held TEXT NOT NULL
);
CREATE INDEX escalations_by_due ON escalations (due_at) WHERE due_at IS NOT NULL;

-- What still rings for somebody who was paged.
CREATE TABLE rings (
    id BIGINT PRIMARY KEY,
    incident_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    destination BIGINT NOT NULL,
    paged_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    unless_confirmed BIGINT NOT NULL
);
CREATE INDEX rings_by_due ON rings (due_at);
CREATE INDEX rings_of_incident ON rings (incident_id);
