DROP INDEX signing_keys_one_next_one_active;
DELETE FROM signing_keys WHERE state = 'revoked' OR (state = 'retired' AND activated_at IS NULL);
ALTER TABLE signing_keys DROP COLUMN retention;
ALTER TABLE signing_keys DROP COLUMN propagation_time;
ALTER TABLE signing_keys DROP COLUMN promoted_by;
ALTER TABLE signing_keys DROP COLUMN revoked_at;
