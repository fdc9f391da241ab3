-- name: record
INSERT INTO {schema}.timeline (id, kind, queue, at, value)
SELECT id, kind, queue, at, value
FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS bigint[]), CAST($5 AS text[]))
    AS new (id, kind, queue, at, value)
ORDER BY id
ON CONFLICT (id) DO UPDATE SET
    kind = excluded.kind, queue = excluded.queue, at = excluded.at, value = excluded.value;

-- name: history
SELECT id, kind, queue, at, value FROM {schema}.timeline
WHERE kind = $1 AND (at, id) >= ($2, $3) AND at < $4 AND (CAST($6 AS text) IS NULL OR queue = $6)
ORDER BY at, id LIMIT $5;

-- name: prune
DELETE FROM {schema}.timeline WHERE id IN (
    SELECT old.id FROM {schema}.timeline AS old WHERE old.kind = $1 AND old.at <= $2
    ORDER BY old.at, old.id LIMIT $3
)
RETURNING 1;
