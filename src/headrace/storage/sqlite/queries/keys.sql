-- name: holders
SELECT json_group_array(json_array(keys.queue, keys.key, keys.job_id))
FROM json_each(?1) AS wanted CROSS JOIN keys
ON keys.queue = wanted.value ->> 0 AND keys.key = wanted.value ->> 1
WHERE keys.ends_at IS NULL OR keys.ends_at > ?2;

-- name: hold
INSERT OR REPLACE INTO keys (queue, key, job_id, ends_at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1);

-- name: free
DELETE FROM keys WHERE (queue, key, job_id) IN (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1));

-- name: release_of_jobs
DELETE FROM keys WHERE (queue, key, job_id) IN (
    SELECT jobs.queue, jobs.key, jobs.id FROM json_each(?1) AS wanted CROSS JOIN jobs ON jobs.id = wanted.key
    WHERE jobs.key IS NOT NULL AND jobs.until <> 'window'
);

-- name: forget_lapsed_keys
DELETE FROM keys WHERE ends_at <= ?1;

-- name: any_lapsed_key
SELECT EXISTS (SELECT 1 FROM keys WHERE ends_at <= ?1);
