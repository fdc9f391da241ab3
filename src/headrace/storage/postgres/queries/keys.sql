-- name: holders
SELECT keys.queue, keys.key, keys.job_id::text
FROM unnest(CAST($1 AS text[]), CAST($2 AS text[])) AS wanted (queue, key)
JOIN {schema}.keys ON keys.queue = wanted.queue AND keys.key = wanted.key
WHERE keys.ends_at IS NULL OR keys.ends_at > $3;

-- name: hold
INSERT INTO {schema}.keys (queue, key, job_id, ends_at)
SELECT queue, key, job_id::uuid, ends_at
FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS bigint[]))
    AS new (queue, key, job_id, ends_at)
ORDER BY queue, key
ON CONFLICT (queue, key) DO UPDATE SET job_id = excluded.job_id, ends_at = excluded.ends_at
WHERE keys.job_id = excluded.job_id OR keys.ends_at <= $5
RETURNING 1;

-- name: free
DELETE FROM {schema}.keys USING (
    SELECT held.queue, held.key FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS text[]))
        AS given (queue, key, job_id)
    JOIN {schema}.keys AS held ON held.queue = given.queue AND held.key = given.key AND held.job_id = given.job_id::uuid
    ORDER BY held.queue, held.key
    FOR UPDATE OF held
) AS gone
WHERE keys.queue = gone.queue AND keys.key = gone.key
RETURNING 1;

-- name: forget_lapsed
DELETE FROM {schema}.keys WHERE ends_at <= $1;
