-- name: queues
WITH RECURSIVE found (queue) AS (
    SELECT min(jobs.queue) FROM {schema}.jobs WHERE jobs.finished_at IS NOT NULL AND jobs.state = $1
    UNION ALL
    SELECT (
        SELECT min(jobs.queue) FROM {schema}.jobs
        WHERE jobs.finished_at IS NOT NULL AND jobs.state = $1 AND jobs.queue > found.queue
    )
    FROM found WHERE found.queue IS NOT NULL
)
SELECT queue FROM found WHERE queue IS NOT NULL;

-- name: too_old
SELECT jobs.id::text FROM unnest(CAST($2 AS text[]), CAST($3 AS bigint[])) AS swept (queue, latest)
CROSS JOIN LATERAL (
    SELECT id, finished_at FROM {schema}.jobs
    WHERE jobs.finished_at IS NOT NULL AND jobs.state = $1 AND jobs.queue = swept.queue
        AND jobs.finished_at <= swept.latest AND jobs.retention IS NULL
    ORDER BY jobs.finished_at, jobs.id LIMIT $4
) AS jobs
ORDER BY jobs.finished_at, jobs.id LIMIT $4;

-- name: expired
SELECT jobs.id::text FROM {schema}.jobs
WHERE jobs.finished_at IS NOT NULL AND jobs.retention IS NOT NULL AND jobs.state = $1
    AND jobs.finished_at + jobs.retention <= $2
    AND (CAST($3 AS text[]) IS NULL OR jobs.queue = ANY (CAST($3 AS text[])))
ORDER BY jobs.finished_at + jobs.retention, jobs.id LIMIT $4;

-- name: beyond
SELECT jobs.id::text FROM unnest(CAST($2 AS text[]), CAST($3 AS bigint[])) AS swept (queue, most)
CROSS JOIN LATERAL (
    SELECT edge.finished_at, edge.id FROM {schema}.jobs AS edge
    WHERE edge.finished_at IS NOT NULL AND edge.state = $1 AND edge.queue = swept.queue
    ORDER BY edge.finished_at DESC, edge.id DESC OFFSET swept.most LIMIT 1
) AS last
CROSS JOIN LATERAL (
    SELECT id, finished_at FROM {schema}.jobs
    WHERE jobs.finished_at IS NOT NULL AND jobs.state = $1 AND jobs.queue = swept.queue
        AND (jobs.finished_at, jobs.id) <= (last.finished_at, last.id)
    ORDER BY jobs.finished_at, jobs.id LIMIT $4
) AS jobs
ORDER BY swept.queue, jobs.finished_at, jobs.id LIMIT $4;

-- name: remove
WITH gone AS (
    DELETE FROM {schema}.jobs
    WHERE jobs.id = ANY (CAST(CAST($1 AS text[]) AS uuid[])) AND jobs.state = ANY (CAST($2 AS text[]))
    RETURNING jobs.id, jobs.queue, jobs.key, jobs.until
),
freed AS (
    DELETE FROM {schema}.keys USING gone
    WHERE keys.queue = gone.queue AND keys.key = gone.key AND keys.job_id = gone.id
        AND ($3 OR gone.until IS DISTINCT FROM 'window')
)
SELECT id::text FROM gone;
