-- name: jobs
SELECT {JOB} FROM jobs WHERE id > ?1 ORDER BY id LIMIT ?2;

-- name: holds
SELECT queue, key, job_id, ends_at FROM keys WHERE (queue, key) > (?1, ?2) ORDER BY queue, key LIMIT ?3;

-- name: records
SELECT kind, name, value, version, lapses_at FROM records
WHERE (kind, name) > (?1, ?2) AND kind NOT IN (SELECT value FROM json_each(?6))
    AND (lapses_at IS NULL OR (boot_id = ?4 AND lapses_at > ?5))
ORDER BY kind, name LIMIT ?3;

-- name: entries
SELECT id, kind, queue, at, value FROM timeline INDEXED BY timeline_order
WHERE (kind, at, id) > (?1, ?2, ?3) ORDER BY kind, at, id LIMIT ?4;

-- name: there
SELECT json_group_array(json_array(jobs.queue, jobs.state))
FROM json_each(?1) AS wanted CROSS JOIN jobs ON jobs.id = wanted.value;

-- name: mark
SELECT value FROM records WHERE kind = 'mark' AND name = 'store';

-- name: write_mark
INSERT OR REPLACE INTO records (kind, name, value, version) VALUES ('mark', 'store', ?1, 1);

-- name: remove_mark
DELETE FROM records WHERE kind = 'mark' AND name = 'store';

-- name: begin_load
-- Never committed: nobody but the transaction that loads sees it.
INSERT INTO records (kind, name, value, version) VALUES ('mark', 'loading', 'null', 1);

-- name: end_load
DELETE FROM records WHERE kind = 'mark' AND name = 'loading';

-- name: triggers
SELECT json_group_array(name) FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'headrace\_moved\_%' ESCAPE '\';
