-- name: record
-- An expression, which has no declared type: a caller's own connection may convert columns by theirs.
SELECT +version FROM records
WHERE kind = ?1 AND name = ?2 AND (lapses_at IS NULL OR (boot_id = ?3 AND lapses_at > ?4));

-- name: write_record
INSERT OR REPLACE INTO records (kind, name, value, version, boot_id, lapses_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- name: remove_record
DELETE FROM records WHERE kind = ?1 AND name = ?2;

-- name: records
SELECT json_group_array(json_object('kind', kind, 'name', name, 'value', value, 'version', version)) FROM (
    SELECT kind, name, value, version FROM records
    WHERE kind = ?1 AND name >= ?4 AND (lapses_at IS NULL OR (boot_id = ?2 AND lapses_at > ?3)) ORDER BY name LIMIT ?5
);

-- name: records_by_name
SELECT json_group_array(json_object('kind', kind, 'name', name, 'value', value, 'version', version)) FROM (
    SELECT records.* FROM json_each(?6) AS wanted CROSS JOIN records
    ON records.kind = ?1 AND records.name = wanted.value
    WHERE records.name >= ?4 AND (lapses_at IS NULL OR (boot_id = ?2 AND lapses_at > ?3)) ORDER BY records.name LIMIT ?5
);

-- name: any_lapsed_record
SELECT EXISTS (SELECT 1 FROM records WHERE lapses_at IS NOT NULL AND (boot_id <> ?1 OR lapses_at <= ?2));

-- name: forget_lapsed_records
DELETE FROM records WHERE lapses_at IS NOT NULL AND (boot_id <> ?1 OR lapses_at <= ?2);
