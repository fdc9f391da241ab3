-- name: claim
WITH moment AS MATERIALIZED (
    SELECT present.*, pg_stat_get_xact_tuples_returned('{schema}.jobs_pending'::regclass) AS walked
    FROM {moment} AS present
),
ready AS MATERIALIZED (
    SELECT wanted.queue, wanted.room,
        CASE WHEN wanted.whole THEN (
            SELECT jobs.due_at FROM {schema}.jobs
            WHERE jobs.state IN ('scheduled', 'retrying') AND jobs.queue = wanted.queue
            ORDER BY jobs.due_at, jobs.id LIMIT 1
        ) <= (SELECT now FROM moment) END AS due,
        control.value AS control
    FROM unnest(CAST($3 AS text[]), CAST($4 AS integer[]), CAST($5 AS boolean[])) AS wanted (queue, room, whole)
    LEFT JOIN {schema}.records AS control ON control.kind = 'queue' AND control.name = wanted.queue
        AND (control.lapses_at IS NULL OR control.lapses_at > (SELECT lease FROM moment))
    WHERE EXISTS (
        SELECT FROM {schema}.workers WHERE workers.id = $2 AND workers.ends_at > (SELECT lease FROM moment)
    )
),
slow AS MATERIALIZED (
    SELECT queue, due, control FROM ready
    WHERE due OR (control::json ->> 'concurrency') IS NOT NULL OR (control::json ->> 'paused')::boolean
        OR (control::json ->> 'cools_until')::bigint > (SELECT now FROM moment)
),
stretches AS MATERIALIZED (
    SELECT queue, low, high, due_at, id::uuid AS id
    FROM unnest(
        CAST($6 AS text[]), CAST($7 AS integer[]), CAST($8 AS integer[]), CAST($9 AS bigint[]), CAST($10 AS text[])
    ) AS given (queue, low, high, due_at, id)
),
picked AS MATERIALIZED (
    SELECT taken.* FROM ready CROSS JOIN LATERAL (
        SELECT found.* FROM stretches CROSS JOIN LATERAL (
            SELECT jobs.ctid AS place, jobs.id, jobs.queue, jobs.key, jobs.until FROM {schema}.jobs
            WHERE jobs.state = 'pending' AND jobs.queue = ready.queue AND jobs.priority <= stretches.high
                AND (jobs.priority, jobs.due_at, jobs.id) > (stretches.low, stretches.due_at, stretches.id)
            ORDER BY jobs.priority, jobs.due_at, jobs.id LIMIT ready.room
            FOR UPDATE SKIP LOCKED
        ) AS found
        WHERE stretches.queue = ready.queue
        LIMIT ready.room
    ) AS taken
    WHERE NOT EXISTS (SELECT FROM slow)
),
taken AS (
    UPDATE {schema}.jobs SET
        state = 'running', attempt = attempt + 1, generation = generation + 1, worker = $2, alone = false,
        started_at = (SELECT now FROM moment), key = CASE WHEN jobs.until = 'claimed' THEN NULL ELSE jobs.key END
    WHERE jobs.ctid = ANY (ARRAY(SELECT place FROM picked))
    RETURNING {job}
),
-- a row that somebody changed since this statement began is picked in its new place, and can't be taken there
freed AS (
    DELETE FROM {schema}.keys USING picked
    WHERE picked.until = 'claimed' AND keys.queue = picked.queue AND keys.key = picked.key AND keys.job_id = picked.id
        AND picked.id IN (SELECT id::uuid FROM taken)
)
SELECT moment.now, slow.queue AS slow_queue, slow.due, slow.control,
    pg_stat_get_xact_tuples_returned('{schema}.jobs_pending'::regclass) - moment.walked AS walked, taken.*
FROM moment LEFT JOIN slow ON true LEFT JOIN taken ON true;

-- name: controls
SELECT name, value FROM {schema}.records
WHERE kind = 'queue' AND name = ANY (CAST($1 AS text[])) AND (lapses_at IS NULL OR lapses_at > $2)
ORDER BY name FOR UPDATE;

-- name: promote
UPDATE {schema}.jobs SET state = 'pending' WHERE jobs.ctid = ANY (ARRAY(
    SELECT found.place FROM unnest(CAST($1 AS text[])) AS wanted (queue) CROSS JOIN LATERAL (
        SELECT jobs.ctid AS place FROM {schema}.jobs
        WHERE jobs.state IN ('scheduled', 'retrying') AND jobs.queue = wanted.queue AND jobs.due_at <= $2
        ORDER BY jobs.due_at, jobs.id LIMIT $3
        FOR UPDATE SKIP LOCKED
    ) AS found
));

-- name: running
SELECT queue, count(*) FROM {schema}.jobs WHERE state = 'running' AND queue = ANY (CAST($1 AS text[])) GROUP BY queue;

-- name: take
WITH moment AS MATERIALIZED {moment},
picked AS MATERIALIZED (
    SELECT found.* FROM unnest(CAST($3 AS text[]), CAST($4 AS integer[])) AS wanted (queue, room)
    CROSS JOIN LATERAL (
        SELECT jobs.ctid AS place, jobs.id, jobs.queue, jobs.key, jobs.until FROM {schema}.jobs
        WHERE jobs.state = 'pending' AND jobs.queue = wanted.queue
        ORDER BY jobs.priority, jobs.due_at, jobs.id LIMIT wanted.room
        FOR UPDATE SKIP LOCKED
    ) AS found
),
taken AS (
    UPDATE {schema}.jobs SET
        state = 'running', attempt = attempt + 1, generation = generation + 1, worker = $2, alone = false,
        started_at = (SELECT now FROM moment), key = CASE WHEN jobs.until = 'claimed' THEN NULL ELSE jobs.key END
    WHERE jobs.ctid = ANY (ARRAY(SELECT place FROM picked))
    RETURNING {job}
),
freed AS (
    DELETE FROM {schema}.keys USING picked
    WHERE picked.until = 'claimed' AND keys.queue = picked.queue AND keys.key = picked.key AND keys.job_id = picked.id
        AND picked.id IN (SELECT id::uuid FROM taken)
)
SELECT * FROM taken;
