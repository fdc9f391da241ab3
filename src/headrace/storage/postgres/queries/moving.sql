-- name: first_jobs
SELECT {job} FROM (
    SELECT sized.*, sum(sized.size) OVER (ORDER BY sized.id ROWS UNBOUNDED PRECEDING) - sized.size AS before FROM (
        SELECT row.*, octet_length(row.payload) + coalesce(octet_length(row.result), 0)
            + coalesce(octet_length(row.history), 0) + coalesce(octet_length(row.notes), 0) AS size
        FROM {schema}.jobs AS row ORDER BY row.id LIMIT $1
    ) AS sized
) AS jobs WHERE jobs.before < $2 ORDER BY jobs.id;

-- name: jobs
SELECT {job} FROM (
    SELECT sized.*, sum(sized.size) OVER (ORDER BY sized.id ROWS UNBOUNDED PRECEDING) - sized.size AS before FROM (
        SELECT row.*, octet_length(row.payload) + coalesce(octet_length(row.result), 0)
            + coalesce(octet_length(row.history), 0) + coalesce(octet_length(row.notes), 0) AS size
        FROM {schema}.jobs AS row WHERE row.id > CAST(CAST($3 AS text) AS uuid) ORDER BY row.id LIMIT $1
    ) AS sized
) AS jobs WHERE jobs.before < $2 ORDER BY jobs.id;

-- name: holds
SELECT queue, key, job_id::text, ends_at FROM {schema}.keys
WHERE (queue, key) > ($3, $4) AND $2 > 0 ORDER BY queue, key LIMIT $1;

-- name: records
SELECT kind, name, value, version, lapses_at - lease FROM (
    SELECT sized.*, sum(octet_length(sized.value)) OVER (ORDER BY sized.kind, sized.name ROWS UNBOUNDED PRECEDING)
        - octet_length(sized.value) AS before
    FROM (
        SELECT row.*, moment.lease FROM {moment} AS moment, {schema}.records AS row
        WHERE (row.kind, row.name) > ($4, $5) AND row.kind <> ALL (CAST($6 AS text[]))
            AND (row.lapses_at IS NULL OR row.lapses_at > moment.lease)
        ORDER BY row.kind, row.name LIMIT $2
    ) AS sized
) AS found WHERE before < $3 ORDER BY kind, name;

-- name: kinds
WITH RECURSIVE found (kind) AS (
    SELECT min(kind) FROM {schema}.timeline
    UNION ALL
    SELECT (SELECT min(timeline.kind) FROM {schema}.timeline WHERE timeline.kind > found.kind)
    FROM found WHERE found.kind IS NOT NULL
)
SELECT kind FROM found WHERE kind IS NOT NULL;

-- name: entries
SELECT id, kind, queue, at, value FROM (
    SELECT sized.*, sum(octet_length(sized.value)) OVER (ORDER BY sized.at, sized.id ROWS UNBOUNDED PRECEDING)
        - octet_length(sized.value) AS before
    FROM (
        SELECT row.* FROM {schema}.timeline AS row
        WHERE row.kind = $3 AND (row.at, row.id) > ($4, $5) ORDER BY row.at, row.id LIMIT $1
    ) AS sized
) AS found WHERE before < $2 ORDER BY at, id;

-- name: load_jobs
INSERT INTO {schema}.jobs ({columns})
SELECT {given} FROM unnest({arrays}) AS given ({columns})
ON CONFLICT (id) DO UPDATE SET {changes};

-- name: load_holds
INSERT INTO {schema}.keys (queue, key, job_id, ends_at)
SELECT queue, key, job_id::uuid, ends_at
FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS bigint[]))
    AS new (queue, key, job_id, ends_at)
ON CONFLICT (queue, key) DO UPDATE SET job_id = excluded.job_id, ends_at = excluded.ends_at;

-- name: load_records
INSERT INTO {schema}.records (kind, name, value, version, lapses_at)
SELECT kind, name, value, version, moment.lease + given.lapses_in
FROM {moment} AS moment, unnest(
    CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS text[]), CAST($5 AS bigint[]), CAST($6 AS bigint[])
) AS given (kind, name, value, version, lapses_in)
ON CONFLICT (kind, name) DO UPDATE SET
    value = excluded.value, version = excluded.version, lapses_at = excluded.lapses_at;

-- name: mark
SELECT value FROM {schema}.records WHERE kind = 'mark' AND name = 'store';

-- name: write_mark
INSERT INTO {schema}.records (kind, name, value, version) VALUES ('mark', 'store', $1, 1)
ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value;

-- name: remove_mark
DELETE FROM {schema}.records WHERE kind = 'mark' AND name = 'store';

-- name: pass
-- Until the end of the transaction: what the triggers let through.
SELECT set_config('headrace.loading', 'yes', true);

-- name: hurry
-- Whoever comes after this waits behind it. More than the second after which the server looks who waits for whom, for
-- only then does an autovacuum give way.
SET LOCAL lock_timeout = 1500;

-- name: stop
-- In the order in which all others lock. What was let through ends first; what comes later finds the triggers.
LOCK TABLE {schema}.jobs, {schema}.keys, {schema}.records, {schema}.workers, {schema}.timeline
IN SHARE ROW EXCLUSIVE MODE;

-- name: stop_all
LOCK TABLE {schema}.jobs, {schema}.keys, {schema}.records, {schema}.workers, {schema}.timeline
IN ACCESS EXCLUSIVE MODE;

-- name: barred
SELECT relname::text FROM pg_catalog.pg_trigger JOIN pg_catalog.pg_class AS tables ON tables.oid = tgrelid
WHERE tgname = 'headrace_moved' AND relname IN ('jobs', 'keys', 'records', 'workers', 'timeline')
    AND relnamespace = (SELECT relnamespace FROM pg_catalog.pg_class WHERE oid = '{schema}.jobs'::regclass);
