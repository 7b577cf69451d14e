-- What subscribers are still to be told, each for itself, in order. `bytes`: what one takes of a batch.
CREATE TABLE notices (
    subscriber TEXT NOT NULL,
    id BIGINT NOT NULL,
    topic TEXT NOT NULL,
    at BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (subscriber, id)
) {clustered};

-- Who is told: which node is at it and until when, when it was last wanted, and how much was too much for it.
CREATE TABLE subscribers (
    name TEXT PRIMARY KEY,
    node BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    dropped BIGINT NOT NULL
) {clustered};
