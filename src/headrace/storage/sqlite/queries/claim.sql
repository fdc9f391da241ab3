-- name: ready
SELECT json_group_array(json_array(queue, due, control)) FROM (
    SELECT wanted.value AS queue,
        EXISTS (
            SELECT 1 FROM jobs
            WHERE state IN ('scheduled', 'retrying') AND queue = wanted.value AND due_at <= ?2
        ) AS due,
        EXISTS (SELECT 1 FROM jobs WHERE state = 'pending' AND queue = wanted.value) AS pending,
        (
            SELECT value FROM records
            WHERE kind = 'queue' AND name = wanted.value
                AND (lapses_at IS NULL OR (boot_id = ?5 AND lapses_at > ?4))
        ) AS control
    FROM json_each(?1) AS wanted
    WHERE EXISTS (SELECT 1 FROM workers WHERE id = ?3 AND boot_id = ?5 AND ends_at > ?4)
) WHERE due OR pending;

-- name: due
SELECT json_array(count(*), coalesce(sum(state = 'retrying'), 0)) FROM (
    SELECT state FROM jobs WHERE state IN ('scheduled', 'retrying') AND queue = ?1 AND due_at <= ?2
    ORDER BY due_at, id LIMIT ?3
);

-- name: promote
UPDATE jobs SET state = 'pending' WHERE seq IN (
    SELECT seq FROM jobs WHERE state IN ('scheduled', 'retrying') AND queue = ?1 AND due_at <= ?2
    ORDER BY due_at, id LIMIT ?3
);

-- name: running
SELECT count(*) FROM jobs WHERE state = 'running' AND queue = ?1;

-- name: first_pending
SELECT json_group_array({JOB}) FROM (
    SELECT * FROM jobs WHERE state = 'pending' AND queue = ?1 ORDER BY priority, due_at, id LIMIT ?2
) AS jobs;

-- name: start
UPDATE jobs SET
    state = 'running',
    attempt = attempt + 1,
    generation = generation + 1,
    worker = ?3,
    alone = 0,
    started_at = ?4,
    key = iif(until = 'claimed', NULL, key)
WHERE seq IN (SELECT seq FROM jobs WHERE state = 'pending' AND queue = ?1 ORDER BY priority, due_at, id LIMIT ?2);
