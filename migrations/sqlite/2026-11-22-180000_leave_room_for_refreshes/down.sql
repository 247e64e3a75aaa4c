-- SQLite changes rows where they are.
SELECT 1;
