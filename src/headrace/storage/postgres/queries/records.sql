-- name: locked
SELECT records.kind, records.name, records.version, (records.lapses_at IS NULL OR records.lapses_at > $3)
FROM unnest(CAST($1 AS text[]), CAST($2 AS text[])) AS wanted (kind, name)
JOIN {schema}.records ON records.kind = wanted.kind AND records.name = wanted.name
ORDER BY records.kind, records.name FOR UPDATE OF records;

-- name: change
UPDATE {schema}.records SET value = given.value, version = given.version, lapses_at = given.lapses_at
FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS bigint[]), CAST($5 AS bigint[]))
    AS given (kind, name, value, version, lapses_at)
WHERE records.kind = given.kind AND records.name = given.name;

-- name: add
INSERT INTO {schema}.records (kind, name, value, version, lapses_at)
SELECT kind, name, value, version, lapses_at
FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS bigint[]), CAST($5 AS bigint[]))
    AS new (kind, name, value, version, lapses_at)
ORDER BY kind, name
ON CONFLICT (kind, name) DO NOTHING
RETURNING 1;

-- name: remove
DELETE FROM {schema}.records USING unnest(CAST($1 AS text[]), CAST($2 AS text[])) AS gone (kind, name)
WHERE records.kind = gone.kind AND records.name = gone.name;

-- name: list
SELECT kind, name, value, version FROM {schema}.records
WHERE kind = $2 AND (CAST($3 AS text) IS NULL OR name > $3)
    AND (lapses_at IS NULL OR lapses_at > (SELECT lease FROM {moment} AS moment))
ORDER BY name LIMIT $4;

-- name: list_names
SELECT records.kind, records.name, value, version
FROM (SELECT DISTINCT name FROM unnest(CAST($5 AS text[])) AS asked (name)) AS wanted
JOIN {schema}.records ON records.kind = $2 AND records.name = wanted.name
WHERE (CAST($3 AS text) IS NULL OR records.name > $3)
    AND (lapses_at IS NULL OR lapses_at > (SELECT lease FROM {moment} AS moment))
ORDER BY records.name LIMIT $4;

-- name: forget_lapsed
DELETE FROM {schema}.records WHERE lapses_at <= $1;
