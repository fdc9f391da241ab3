-- name: record
INSERT OR REPLACE INTO timeline (id, kind, queue, at, value)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?1);

-- name: history
SELECT json_group_array(json_object('id', id, 'kind', kind, 'queue', queue, 'at', at, 'value', value)) FROM (
    SELECT * FROM timeline INDEXED BY timeline_order
    WHERE kind = ?1 AND (at, id) >= (?2, ?3) AND at < ?4
    ORDER BY at, id LIMIT ?5
);

-- name: history_of_queue
SELECT json_group_array(json_object('id', id, 'kind', kind, 'queue', queue, 'at', at, 'value', value)) FROM (
    SELECT * FROM timeline INDEXED BY timeline_of_queue
    WHERE kind = ?1 AND queue = ?6 AND (at, id) >= (?2, ?3) AND at < ?4
    ORDER BY at, id LIMIT ?5
);

-- name: prune
DELETE FROM timeline WHERE id IN (
    SELECT id FROM timeline INDEXED BY timeline_order WHERE kind = ?1 AND at <= ?2 ORDER BY at, id LIMIT ?3
);
