-- What a planned maintenance covered: looked at when it is over for now, which is when it is due.
CREATE TABLE maintained (
    maintenance BIGINT NOT NULL,
    incident_id BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (maintenance, incident_id)
) {clustered};
CREATE INDEX maintained_by_due ON maintained (due_at);
CREATE INDEX maintained_of_incident ON maintained (incident_id);

-- What keeps back what is collected for somebody: a maintenance, or the hours of the person with this id; 0: they want
-- it collected.
ALTER TABLE digests ADD COLUMN held_by BIGINT NOT NULL DEFAULT 0;
CREATE INDEX digests_of_incident ON digests (incident_id);
