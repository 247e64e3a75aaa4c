-- Times are whole seconds since the Unix epoch; lists are separated by one space; claims are a JSON object.
-- WITHOUT ROWID: the primary key is the table, so that a look-up walks one tree and not two.

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL,
    username_key TEXT NOT NULL UNIQUE, -- the canonical form: variants of a name are one account
    email TEXT,
    password_hash TEXT NOT NULL, -- PHC string
    scopes TEXT, -- NULL: whatever the client may have
    claims TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_login_at BIGINT
) WITHOUT ROWID;

CREATE TABLE clients (
    id TEXT NOT NULL PRIMARY KEY,
    secret_hash BLOB, -- SHA-256; NULL: a public client
    grants TEXT NOT NULL,
    scopes TEXT NOT NULL,
    default_scopes TEXT, -- NULL: all of them
    audience TEXT, -- NULL: tokens.audience
    token_type TEXT, -- this and the lifetimes: NULL: the setting
    access_token_lifetime BIGINT,
    refresh_idle_lifetime BIGINT,
    refresh_absolute_lifetime BIGINT,
    refresh_reuse_leeway BIGINT,
    refresh_rotation BOOLEAN NOT NULL,
    claims TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    resource TEXT, -- NULL: whatever audience the client has
    amr TEXT NOT NULL,
    generation BIGINT NOT NULL, -- how often the refresh token has been exchanged
    created_at BIGINT NOT NULL, -- when the user authenticated
    advanced_at BIGINT NOT NULL, -- when this generation began
    expires_at BIGINT NOT NULL, -- the idle deadline, never after ends_at
    ends_at BIGINT NOT NULL, -- the absolute one
    closed_at BIGINT,
    close_reason TEXT
) WITHOUT ROWID;

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_client ON sessions (client_id);
CREATE INDEX sessions_by_end ON sessions (ends_at);

-- Access tokens revoked before they expired. Closed sessions and spent refresh tokens need no row here:
-- their session's closed_at and generation refuse them.
CREATE TABLE blacklist (
    jti TEXT NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX blacklist_by_expiry ON blacklist (expires_at);

CREATE TABLE key_ring (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL -- every change of signing_keys is a compare-and-swap on it
);

CREATE TABLE signing_keys (
    kid TEXT NOT NULL PRIMARY KEY, -- RFC 7638 thumbprint
    algorithm TEXT NOT NULL,
    state TEXT NOT NULL,
    public_jwk TEXT NOT NULL,
    sealed_private_jwk TEXT, -- compact JWE; NULL once destroyed
    created_at BIGINT NOT NULL,
    published_at BIGINT NOT NULL,
    activated_at BIGINT,
    retired_at BIGINT
);

CREATE TABLE mac_keys (
    id INTEGER NOT NULL PRIMARY KEY,
    sealed_jwk TEXT NOT NULL, -- compact JWE
    created_at BIGINT NOT NULL
);

INSERT INTO key_ring (id, version) VALUES (1, 0);
