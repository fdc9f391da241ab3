-- name: get
SELECT {job} FROM {schema}.jobs WHERE jobs.id = ANY (CAST(CAST($1 AS text[]) AS uuid[]));

-- name: count
SELECT queue, state, count(*) FROM {schema}.jobs GROUP BY queue, state;

-- name: next_due
SELECT moment.now, (
    SELECT min(coalesce(
        (
            SELECT 0 FROM {schema}.jobs WHERE jobs.state = 'pending' AND jobs.queue = wanted.queue
            ORDER BY jobs.priority, jobs.due_at, jobs.id LIMIT 1
        ),
        (
            SELECT jobs.due_at FROM {schema}.jobs
            WHERE jobs.state IN ('scheduled', 'retrying') AND jobs.queue = wanted.queue
            ORDER BY jobs.due_at, jobs.id LIMIT 1
        )
    ))
    FROM unnest(CAST($2 AS text[])) AS wanted (queue)
) FROM {moment} AS moment;
