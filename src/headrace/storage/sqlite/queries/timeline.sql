-- name: record
INSERT OR REPLACE INTO timeline (id, kind, queue, at, value)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?1);

-- name: history
SELECT json_group_array(json_object('id', id, 'kind', kind, 'queue', queue, 'at', at, 'value', value)) FROM (
    SELECT * FROM timeline INDEXED BY timeline_order
    WHERE kind = ?1 AND at >= ?2 AND at < ?3 AND (at, id) > (?4, ?5) AND (?6 IS NULL OR queue = ?6)
    ORDER BY at, id LIMIT ?7
);

-- name: prune
DELETE FROM timeline WHERE id IN (
    SELECT id FROM timeline INDEXED BY timeline_order WHERE kind = ?1 AND at <= ?2 ORDER BY at, id LIMIT ?3
);
