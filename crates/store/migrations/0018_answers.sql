-- Secrets of the hub itself that all of its nodes share, such as the key that signs links.
CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) {clustered};

-- Answers that were given: each way of answering a message is good once.
CREATE TABLE answers (
    delivery_id BIGINT NOT NULL,
    way TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (delivery_id, way)
) {clustered};
CREATE INDEX answers_by_time ON answers (at);

-- Messages that another destination is told, too, unless this one confirms them in time.
CREATE TABLE failovers (
    delivery_id BIGINT PRIMARY KEY,
    destination TEXT NOT NULL,
    due_at BIGINT NOT NULL
) {clustered};
CREATE INDEX failovers_by_due ON failovers (due_at);

-- Which node listens somewhere where only one may, and until when.
CREATE TABLE listeners (
    name TEXT PRIMARY KEY,
    node BIGINT NOT NULL,
    lease_until BIGINT NOT NULL
) {clustered};
