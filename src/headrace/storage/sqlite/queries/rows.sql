-- name: insert_counts
INSERT INTO counts (queue, state, number)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1) WHERE true
ON CONFLICT (queue, state) DO UPDATE SET number = number + excluded.number;

-- name: jobs_by_id
SELECT json_group_array({JOB}) FROM json_each(?1) AS wanted CROSS JOIN jobs ON jobs.id = wanted.value;

-- name: ids_there
SELECT json_group_array(jobs.id) FROM json_each(?1) AS wanted CROSS JOIN jobs ON jobs.id = wanted.value;

-- name: fingerprint
SELECT json_array(task, payload, encoding) FROM jobs WHERE id = ?1;

-- name: delete_jobs
DELETE FROM jobs WHERE id IN (SELECT value FROM json_each(?1));

-- name: count
SELECT json_group_array(json_array(queue, state, number)) FROM counts WHERE number > 0;

-- name: next_due
SELECT min(due_at) FROM (
    SELECT CASE
        WHEN EXISTS (SELECT 1 FROM jobs WHERE state = 'pending' AND queue = wanted.value) THEN 0
        ELSE (SELECT due_at FROM jobs WHERE state IN ('scheduled', 'retrying') AND queue = wanted.value
              ORDER BY due_at LIMIT 1)
    END AS due_at
    FROM json_each(?1) AS wanted
);

-- name: last_inserted
SELECT json_group_array(json_array(queue, state, number)) FROM (
    SELECT queue, state, count(*) AS number FROM jobs WHERE seq > (SELECT max(seq) FROM jobs) - ?1
    GROUP BY queue, state
);
