-- Each key carries what verifiers were promised about it, so that no other setting can break the promise later.
-- 90000: the default retention, under which the keys there are have been signing.
ALTER TABLE signing_keys ADD COLUMN revoked_at BIGINT;
ALTER TABLE signing_keys ADD COLUMN promoted_by TEXT; -- what let it sign
ALTER TABLE signing_keys ADD COLUMN propagation_time BIGINT NOT NULL DEFAULT 3600; -- seconds
ALTER TABLE signing_keys ADD COLUMN retention BIGINT NOT NULL DEFAULT 90000; -- seconds

CREATE UNIQUE INDEX signing_keys_one_next_one_active ON signing_keys (state) WHERE state IN ('next', 'active');
