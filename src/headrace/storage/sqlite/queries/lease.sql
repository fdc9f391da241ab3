-- name: extend
INSERT INTO workers (id, boot_id, ends_at) VALUES (?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET boot_id = excluded.boot_id, ends_at = excluded.ends_at;

-- name: held
SELECT json_group_array(wanted.key) FROM json_each(?1) AS wanted CROSS JOIN jobs
ON jobs.id = wanted.value ->> 0 AND jobs.generation = wanted.value ->> 1
WHERE jobs.state = 'running' AND jobs.worker = ?2;

-- name: stopping
SELECT json_group_array(id) FROM (
    SELECT id FROM jobs WHERE cancel_requested = 1 AND worker = ?1 AND state = 'running' ORDER BY id
);

-- name: alive
SELECT EXISTS (SELECT 1 FROM workers WHERE id = ?1 AND boot_id = ?2 AND ends_at > ?3);

-- name: reclaim_wanted
SELECT EXISTS (SELECT 1 FROM workers WHERE id = ?1 AND boot_id = ?2 AND ends_at > ?3) AND (
    EXISTS (SELECT 1 FROM workers WHERE boot_id <> ?2 OR ends_at <= ?3)
    OR EXISTS (
        SELECT 1 FROM jobs INDEXED BY jobs_running
        WHERE state = 'running' AND worker NOT IN (SELECT id FROM workers WHERE boot_id = ?2 AND ends_at > ?3)
    )
);

-- name: orphans
SELECT json_group_array({JOB}) FROM (
    SELECT * FROM jobs INDEXED BY jobs_running
    WHERE state = 'running'
        AND worker NOT IN (SELECT id FROM workers WHERE boot_id = ?1 AND ends_at > ?2)
        AND (?3 IS NULL OR queue IN (SELECT value FROM json_each(?3)))
    ORDER BY worker, id LIMIT ?4
) AS jobs;

-- name: take_over
UPDATE jobs SET generation = generation + 1, worker = ?2, rescued = 1
WHERE id IN (SELECT value FROM json_each(?1));

-- name: forget_workers
DELETE FROM workers WHERE (boot_id <> ?1 OR ends_at <= ?2)
AND id NOT IN (SELECT worker FROM jobs INDEXED BY jobs_running WHERE state = 'running');

-- name: leases
SELECT json_group_object(id, iif(boot_id = ?1, ends_at - ?2, 0)) FROM workers;
