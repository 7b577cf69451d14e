-- Logins by a provider of identities that are under way: begun at one node, ended at any. `state`: a hash of what the
-- browser comes back with.
CREATE TABLE logins (
    state TEXT PRIMARY KEY,
    nonce TEXT NOT NULL,
    verifier TEXT NOT NULL,
    began_at BIGINT NOT NULL
) {clustered};
