-- Who uses the hub. `name_key`: the name as it is compared. `password`: its hash, as a PHC string.
CREATE TABLE users (
    id {key} PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    full_name TEXT NOT NULL,
    email TEXT NOT NULL,
    phone TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    role TEXT NOT NULL,
    machine BIGINT NOT NULL,
    password TEXT,
    disabled_at BIGINT,
    created_at BIGINT NOT NULL,
    last_seen BIGINT
);
CREATE UNIQUE INDEX users_by_name ON users (name_key);

-- Who a user is to a provider of identities.
CREATE TABLE identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
) {clustered};

CREATE TABLE teams (
    id {key} PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    about TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX teams_by_name ON teams (name_key);

CREATE TABLE memberships (
    team_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (team_id, user_id)
) {clustered};
CREATE INDEX memberships_of_user ON memberships (user_id);

-- Who is logged in: hashes of what their browsers have.
CREATE TABLE sessions (
    id {key} PRIMARY KEY,
    hash TEXT NOT NULL,
    user_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    agent TEXT NOT NULL,
    address TEXT NOT NULL
);
CREATE UNIQUE INDEX sessions_by_hash ON sessions (hash);
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_expires ON sessions (expires_at);

-- Links that are good once: with `user_id`, to choose a password; without, to become a user.
CREATE TABLE invitations (
    id {key} PRIMARY KEY,
    hash TEXT NOT NULL,
    user_id BIGINT,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    made_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE UNIQUE INDEX invitations_by_hash ON invitations (hash);

-- A token may belong to a user.
ALTER TABLE tokens ADD COLUMN user_id BIGINT;
CREATE INDEX tokens_of_user ON tokens (user_id);

-- Who changed what, from where, what it was before and what it is now.
CREATE TABLE audit (
    id {key} PRIMARY KEY,
    at BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id BIGINT,
    actor TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    was TEXT,
    becomes TEXT
);
