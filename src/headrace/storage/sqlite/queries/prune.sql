-- name: aged_queues
SELECT json_group_array(queue) FROM counts
WHERE state = ?1 AND EXISTS (
    SELECT 1 FROM jobs INDEXED BY jobs_final
    WHERE finished_at IS NOT NULL AND jobs.state = ?1 AND jobs.queue = counts.queue AND finished_at <= ?2
        AND retention IS NULL
);

-- name: too_old
SELECT json_group_array(json_array(id, queue, key, until, finished_at)) FROM (
    SELECT id, queue, key, until, finished_at FROM jobs INDEXED BY jobs_final
    WHERE finished_at IS NOT NULL AND state = ?1 AND queue = ?2 AND finished_at <= ?3 AND retention IS NULL
    ORDER BY finished_at, id LIMIT ?4
);

-- name: expired
SELECT json_group_array(json_array(id, queue, key, until, finished_at)) FROM (
    SELECT id, queue, key, until, finished_at FROM jobs INDEXED BY jobs_expiring
    WHERE finished_at IS NOT NULL AND retention IS NOT NULL AND state = ?1 AND finished_at + retention <= ?2
        AND (?4 IS NULL OR queue IN (SELECT value FROM json_each(?4)))
    ORDER BY finished_at + retention, id LIMIT ?3
);

-- name: crowded
SELECT json_group_array(json_array(queue, number)) FROM counts WHERE state = ?1 AND number > ?2;

-- name: oldest
SELECT json_group_array(json_array(id, queue, key, until, finished_at)) FROM (
    SELECT id, queue, key, until, finished_at FROM jobs INDEXED BY jobs_final
    WHERE finished_at IS NOT NULL AND state = ?1 AND queue = ?2
    ORDER BY finished_at, id LIMIT ?3
);
