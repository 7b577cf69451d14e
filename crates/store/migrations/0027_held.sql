-- Those that something keeps back are few beside all members: who counts them does not go through all of them.
CREATE INDEX members_held ON members (incident_id) WHERE hold <> '';
