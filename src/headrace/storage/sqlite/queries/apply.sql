-- name: fence
SELECT json_group_array(json_array(queue, number, keyed, EXISTS (
    SELECT 1 FROM records WHERE kind = 'queue' AND name = queue AND value ->> 'concurrency' IS NOT NULL
), places)) FROM (
    SELECT jobs.queue AS queue, count(*) AS number, count(jobs.key) AS keyed, group_concat(jobs.seq) AS places
    FROM json_each(?1) AS wanted CROSS JOIN jobs ON jobs.id = wanted.key AND jobs.generation = wanted.value
    WHERE jobs.state = 'running' AND jobs.worker = ?2
    GROUP BY jobs.queue
);

-- name: ceilings
SELECT json_group_array(name) FROM records
WHERE kind = 'queue' AND name IN (SELECT value FROM json_each(?1)) AND value ->> 'concurrency' IS NOT NULL;

-- name: finish
UPDATE jobs SET
    state = ?2, finished_at = ?3, reason = ?4, alone = 0, rescued = 0, cancel_requested = 0
WHERE seq IN (SELECT value FROM json_each(?1));

-- name: keep_results
UPDATE jobs SET result = coalesce(given.result, jobs.result), result_error = coalesce(given.error, jobs.result_error)
FROM (SELECT key AS id, value ->> 0 AS result, value ->> 1 AS error FROM json_each(?1)) AS given
WHERE jobs.id = given.id;
