-- name: plain
-- A column that all rows have in common comes as one value, and as an array that is empty.
WITH moment AS MATERIALIZED {moment},
added AS (
    INSERT INTO {schema}.jobs (id, queue, task, state, priority, due_at, enqueued_at, payload)
    SELECT new.id::uuid, coalesce(new.queue, $5), coalesce(new.task, $7), 'pending', coalesce(new.priority, $9),
        moment.now, moment.now, new.payload
    FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS text[]), CAST($6 AS text[]), CAST($8 AS integer[]))
        AS new (id, payload, queue, task, priority), moment
    ON CONFLICT (id) DO NOTHING
)
SELECT now FROM moment;

-- name: rows
WITH moment AS MATERIALIZED (SELECT coalesce($2, read.now) AS now FROM {moment} AS read),
new AS MATERIALIZED (
    SELECT given.*, coalesce(given.at, moment.now + given.delay) AS due_at, moment.now
    FROM unnest(
        CAST($3 AS text[]), CAST($4 AS text[]), CAST($5 AS text[]), CAST($6 AS text[]), CAST($7 AS text[]),
        CAST($8 AS integer[]), CAST($9 AS bigint[]), CAST($10 AS bigint[]), CAST($11 AS text[]), CAST($12 AS text[]),
        CAST($13 AS text[]), CAST($14 AS bigint[])
    ) AS given (id, queue, task, payload, encoding, priority, delay, at, key, until, options, retention), moment
),
added AS (
    INSERT INTO {schema}.jobs (
        id, queue, task, payload, encoding, state, priority, due_at, enqueued_at, key, until, options, retention
    )
    SELECT id::uuid, queue, task, payload, encoding, CASE WHEN due_at <= now THEN 'pending' ELSE 'scheduled' END,
        priority, due_at, now, key, until, options, retention
    FROM new
    ON CONFLICT (id) DO NOTHING
    RETURNING id
)
SELECT moment.now, added.id::text FROM moment LEFT JOIN added ON true;

-- name: there
SELECT id::text FROM {schema}.jobs WHERE id = ANY (CAST(CAST($1 AS text[]) AS uuid[]));

-- name: fingerprints
SELECT id::text, task, payload, encoding FROM {schema}.jobs WHERE id = ANY (CAST(CAST($1 AS text[]) AS uuid[]));

-- name: moment
SELECT now, lease FROM {moment} AS moment;
