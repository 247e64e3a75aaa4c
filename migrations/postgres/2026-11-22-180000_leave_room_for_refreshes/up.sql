-- A refresh changes no indexed column: with room on its page the new version of the row needs no index entry (HOT). And a
-- table of millions is cleaned up after thousands of refreshes, not after a fifth of its rows changed.
ALTER TABLE sessions SET (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 10000,
    autovacuum_analyze_scale_factor = 0.05
);
