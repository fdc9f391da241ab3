-- name: extend
INSERT INTO {schema}.workers (id, ends_at)
SELECT $2, moment.lease + $3 FROM {moment} AS moment
ON CONFLICT (id) DO UPDATE SET ends_at = excluded.ends_at;

-- name: look
SELECT jobs.id::text, jobs.generation, jobs.cancel_requested FROM {schema}.jobs
WHERE jobs.id = ANY (CAST(CAST($2 AS text[]) AS uuid[])) AND jobs.state || '' = 'running' AND jobs.worker || '' = $1
UNION
SELECT jobs.id::text, jobs.generation, jobs.cancel_requested FROM {schema}.jobs
WHERE jobs.cancel_requested AND jobs.worker = $1 AND jobs.state || '' = 'running';

-- name: leases
SELECT workers.id, workers.ends_at - moment.lease
FROM {moment} AS moment, {schema}.workers;

-- name: wanted
WITH moment AS MATERIALIZED {moment}
SELECT EXISTS (SELECT FROM {schema}.workers WHERE id = $2 AND ends_at > (SELECT lease FROM moment)) AND (
    EXISTS (SELECT FROM {schema}.workers WHERE ends_at <= (SELECT lease FROM moment))
    OR EXISTS (
        SELECT FROM {schema}.jobs WHERE jobs.state = 'running'
            AND NOT EXISTS (SELECT FROM {schema}.workers WHERE workers.id = jobs.worker)
    )
);

-- name: expired
WITH moment AS MATERIALIZED {moment}
SELECT moment.now, gone.id, EXISTS (SELECT FROM {schema}.workers WHERE workers.id = $2 AND ends_at > lease)
FROM moment LEFT JOIN LATERAL (
    SELECT workers.id FROM {schema}.workers WHERE workers.ends_at <= moment.lease ORDER BY workers.id
    FOR UPDATE SKIP LOCKED
) AS gone ON true;

-- name: take_over
WITH orphans AS MATERIALIZED (
    SELECT jobs.ctid AS place, jobs.id, jobs.worker AS holder FROM {schema}.jobs
    WHERE jobs.state = 'running'
        AND (
            jobs.worker = ANY (CAST($2 AS text[]))
            OR NOT EXISTS (SELECT FROM {schema}.workers WHERE workers.id = jobs.worker)
        )
        AND (CAST($3 AS text[]) IS NULL OR jobs.queue = ANY (CAST($3 AS text[])))
    ORDER BY jobs.worker, jobs.id LIMIT $4
    FOR UPDATE SKIP LOCKED
)
UPDATE {schema}.jobs SET generation = generation + 1, worker = $1, rescued = true
FROM orphans WHERE jobs.ctid = ANY (ARRAY(SELECT place FROM orphans)) AND jobs.id = orphans.id
RETURNING orphans.holder, {job};

-- name: forget
DELETE FROM {schema}.workers WHERE id = ANY (CAST($1 AS text[]))
AND NOT EXISTS (SELECT FROM {schema}.jobs WHERE jobs.state = 'running' AND jobs.worker = workers.id);
