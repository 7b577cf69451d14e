-- The spine: an event comes in, the right receivers hear of it.
-- {key}: the type of a table's own id; {clustered}: rows are kept in the order of their key (see dialect.rs).
-- Times are microseconds since the Unix epoch. Label sets and other structures are JSON in TEXT.

-- One row a process that ever opened this database; its number goes into the ids that it makes.
CREATE TABLE IF NOT EXISTS nodes (id {key} PRIMARY KEY);

-- Numbers that only grow, by which nodes notice that something they remember has changed.
CREATE TABLE versions (name TEXT PRIMARY KEY, value BIGINT NOT NULL) {clustered};

-- What was received, as it was received. `verdict` says what became of it; empty: not looked at yet.
CREATE TABLE events (
    id {key} PRIMARY KEY,
    incident_id BIGINT,
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    action TEXT NOT NULL,
    severity TEXT,
    title TEXT NOT NULL,
    labels TEXT NOT NULL,
    annotations TEXT NOT NULL,
    link TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ends_at BIGINT,
    arrived_at BIGINT NOT NULL,
    verdict TEXT NOT NULL
);
CREATE INDEX events_repeated ON events (id) WHERE verdict = 'repeated';
CREATE INDEX events_stray ON events (id) WHERE incident_id IS NULL;
CREATE INDEX events_waiting ON events (id) WHERE verdict = '';
-- The event that opened an incident has its id and needs no index to be found.
CREATE INDEX events_of_incident ON events (incident_id, id) WHERE incident_id <> id;

-- The state machines. `live`: an event of the same key belongs to it. State: 0 open, 1 acknowledged, 2 resolved.
CREATE TABLE incidents (
    id {key} PRIMARY KEY,
    key TEXT NOT NULL,
    key_hash BIGINT NOT NULL,
    live BIGINT NOT NULL,
    source TEXT NOT NULL,
    state BIGINT NOT NULL,
    severity BIGINT NOT NULL,
    title TEXT NOT NULL,
    labels TEXT NOT NULL,
    annotations TEXT NOT NULL,
    link TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ends_at BIGINT,
    resolved_at BIGINT,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    times_seen BIGINT NOT NULL,
    acknowledged_by TEXT,
    acknowledged_until BIGINT,
    snoozed_until BIGINT,
    reopens_until BIGINT,
    due_at BIGINT,
    version BIGINT NOT NULL
);
CREATE INDEX incidents_live ON incidents (key_hash) WHERE live = 1;
CREATE INDEX incidents_active ON incidents (id) WHERE state < 2;
-- The past, in the order in which it ended, for retention.
CREATE INDEX incidents_over ON incidents (resolved_at) WHERE state = 2 AND live = 0;
CREATE INDEX incidents_due ON incidents (due_at) WHERE due_at IS NOT NULL;

-- The timelines: what happened to each incident. `rules` names the rules that routing went by.
CREATE TABLE changes (
    incident_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    detail TEXT NOT NULL,
    rules BIGINT NOT NULL,
    PRIMARY KEY (incident_id, id)
) {clustered};

-- Rules as they were, so that a decision can be explained by what it was made from.
CREATE TABLE rules (version {key} PRIMARY KEY, at BIGINT NOT NULL, rules TEXT NOT NULL);

-- What belongs together, per route. `due_at`: when to look at it; nothing: when something happens.
CREATE TABLE groups (
    id {key} PRIMARY KEY,
    route TEXT NOT NULL,
    receiver TEXT NOT NULL,
    group_key TEXT NOT NULL,
    key_hash BIGINT NOT NULL,
    labels TEXT NOT NULL,
    ticked_at BIGINT,
    told_at BIGINT,
    due_at BIGINT
);
CREATE INDEX groups_by_key ON groups (key_hash);
CREATE INDEX groups_due ON groups (due_at) WHERE due_at IS NOT NULL;

-- Which incidents are in which groups, what was told of them there, and what keeps them back (in words).
CREATE TABLE members (
    group_id BIGINT NOT NULL,
    incident_id BIGINT NOT NULL,
    told BIGINT NOT NULL,
    hold TEXT NOT NULL,
    PRIMARY KEY (group_id, incident_id)
) {clustered};
CREATE INDEX members_of_incident ON members (incident_id);

-- Active incidents that can inhibit others, by rule and by the labels that both must share.
CREATE TABLE inhibitors (
    rule BIGINT NOT NULL,
    equal_hash BIGINT NOT NULL,
    incident_id BIGINT NOT NULL,
    PRIMARY KEY (rule, equal_hash, incident_id)
) {clustered};

-- Promises to tell one destination one thing. State: 0 pending, 1 delivered, 2 dead, 3 buried.
CREATE TABLE deliveries (
    id {key} PRIMARY KEY,
    group_id BIGINT,
    receiver TEXT NOT NULL,
    destination TEXT NOT NULL,
    lane BIGINT NOT NULL,
    reason TEXT NOT NULL,
    state BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    settled_at BIGINT,
    note TEXT NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (destination, due_at) WHERE state = 0;
CREATE INDEX deliveries_lane ON deliveries (lane, id) WHERE state = 0;
CREATE INDEX deliveries_dead ON deliveries (id) WHERE state = 2;
CREATE INDEX deliveries_tests ON deliveries (id) WHERE group_id IS NULL;

-- What they say: apart from them, since it is written once and they change.
CREATE TABLE messages (delivery_id {key} PRIMARY KEY, body TEXT NOT NULL);

-- Which deliveries tell of which incidents.
CREATE TABLE told (
    incident_id BIGINT NOT NULL,
    delivery_id BIGINT NOT NULL,
    PRIMARY KEY (incident_id, delivery_id)
) {clustered};
CREATE INDEX told_by_delivery ON told (delivery_id);

-- Every try.
CREATE TABLE attempts (
    delivery_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    latency_micros BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    status BIGINT,
    answer TEXT NOT NULL,
    PRIMARY KEY (delivery_id, number)
) {clustered};

-- How destinations are doing: breakers and pauses that outlive a restart.
CREATE TABLE health (destination TEXT PRIMARY KEY, health TEXT NOT NULL) {clustered};

-- People's word that something need not be told.
CREATE TABLE silences (
    id TEXT PRIMARY KEY,
    matchers TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    recurrence TEXT,
    created_by TEXT NOT NULL,
    comment TEXT NOT NULL,
    updated_at BIGINT NOT NULL
) {clustered};
CREATE INDEX silences_end ON silences (ends_at);

-- Pings that must come; `due_at`: when one is missed.
CREATE TABLE heartbeats (
    name TEXT PRIMARY KEY,
    last_at BIGINT,
    due_at BIGINT NOT NULL,
    overdue BIGINT NOT NULL
) {clustered};

-- Who may use the API: hashes of tokens, never tokens.
CREATE TABLE tokens (
    id {key} PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE UNIQUE INDEX tokens_by_hash ON tokens (hash);

-- Answers to requests that carried an Idempotency-Key, to be given again.
CREATE TABLE requests (
    key TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    body_hash TEXT NOT NULL,
    answer TEXT NOT NULL
) {clustered};
CREATE INDEX requests_at ON requests (at);

-- Messages for people who read them here.
CREATE TABLE inbox (
    id {key} PRIMARY KEY,
    destination TEXT NOT NULL,
    key TEXT NOT NULL,
    at BIGINT NOT NULL,
    message TEXT NOT NULL
);
CREATE UNIQUE INDEX inbox_by_key ON inbox (destination, key);
