-- name: complete
WITH moment AS MATERIALIZED {moment},
held AS MATERIALIZED (
    SELECT found.place, found.id, given.result, given.result_error
    FROM unnest(CAST($3 AS text[]), CAST($4 AS integer[]), CAST($5 AS text[]), CAST($6 AS text[]))
        AS given (id, generation, result, result_error)
    CROSS JOIN LATERAL (
        SELECT jobs.ctid AS place, jobs.id FROM {schema}.jobs
        WHERE jobs.id = given.id::uuid AND jobs.state || '' = 'running' AND jobs.worker || '' = $2
            AND jobs.generation = given.generation
        FOR UPDATE
    ) AS found
),
done AS (
    UPDATE {schema}.jobs SET
        state = 'completed', finished_at = (SELECT now FROM moment), reason = $7, alone = false, rescued = false,
        cancel_requested = false, result = coalesce(held.result, jobs.result),
        result_error = coalesce(held.result_error, jobs.result_error)
    FROM held WHERE jobs.ctid = ANY (ARRAY(SELECT place FROM held)) AND jobs.id = held.id
    RETURNING jobs.id, jobs.queue, jobs.key, jobs.until
),
freed AS (
    DELETE FROM {schema}.keys USING done
    WHERE $8 AND done.key IS NOT NULL AND done.until IS DISTINCT FROM 'window' AND keys.queue = done.queue
        AND keys.key = done.key AND keys.job_id = done.id
)
SELECT moment.now,
    CASE WHEN (SELECT count(*) FROM done) < cardinality($3) THEN ARRAY(SELECT id::text FROM done) END,
    ARRAY(
        SELECT name FROM {schema}.records
        WHERE kind = 'queue' AND name IN (SELECT queue FROM done) AND (value::json ->> 'concurrency') IS NOT NULL
    )
FROM moment;

-- name: rows
SELECT {job} FROM {schema}.jobs WHERE jobs.id = ANY (CAST(CAST($1 AS text[]) AS uuid[]))
ORDER BY jobs.id FOR UPDATE;

-- name: ceilings
SELECT name FROM {schema}.records
WHERE kind = 'queue' AND name = ANY (CAST($1 AS text[])) AND (value::json ->> 'concurrency') IS NOT NULL;

-- name: rewrite
UPDATE {schema}.jobs SET
    state = given.state, due_at = given.due_at, attempt = given.attempt, crashes = given.crashes,
    alone = given.alone, rescued = given.rescued, cancel_requested = given.cancel_requested,
    parked_at = given.parked_at, finished_at = given.finished_at, retention = given.retention,
    reason = given.reason, result = given.result, result_error = given.result_error,
    history = given.history, notes = given.notes
FROM unnest(
    CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS bigint[]), CAST($4 AS integer[]), CAST($5 AS integer[]),
    CAST($6 AS boolean[]), CAST($7 AS boolean[]), CAST($8 AS boolean[]), CAST($9 AS bigint[]), CAST($10 AS bigint[]),
    CAST($11 AS bigint[]), CAST($12 AS text[]), CAST($13 AS text[]), CAST($14 AS text[]), CAST($15 AS text[]),
    CAST($16 AS text[])
) AS given (
    id, state, due_at, attempt, crashes, alone, rescued, cancel_requested, parked_at, finished_at, retention, reason,
    result, result_error, history, notes
)
WHERE jobs.id = given.id::uuid;
