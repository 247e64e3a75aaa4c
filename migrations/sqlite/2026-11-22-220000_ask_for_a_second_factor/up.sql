CREATE TABLE totp (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    sealed_secret TEXT NOT NULL, -- compact JWE
    confirmed_at BIGINT, -- NULL: logins do not ask for it yet
    last_step BIGINT NOT NULL -- the newest one whose code was accepted: no code of it, or of an older one, is again
) WITHOUT ROWID;

CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash BLOB NOT NULL, -- SHA-256; the row goes when the code is used
    PRIMARY KEY (user_id, hash)
) WITHOUT ROWID;
