CREATE TABLE jobs (
    seq              INTEGER PRIMARY KEY,
    id               TEXT    NOT NULL UNIQUE,
    queue            TEXT    NOT NULL,
    task             TEXT    NOT NULL,
    state            TEXT    NOT NULL,
    priority         INTEGER NOT NULL,
    due_at           INTEGER NOT NULL,
    enqueued_at      INTEGER NOT NULL,
    attempt          INTEGER NOT NULL DEFAULT 0,
    crashes          INTEGER NOT NULL DEFAULT 0,
    generation       INTEGER NOT NULL DEFAULT 0,
    worker           TEXT,
    alone            INTEGER NOT NULL DEFAULT 0,
    rescued          INTEGER NOT NULL DEFAULT 0,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    parked_at        INTEGER,
    started_at       INTEGER,
    finished_at      INTEGER,
    retention        INTEGER,
    key              TEXT,
    until            TEXT    NOT NULL DEFAULT 'finished',
    encoding         TEXT    NOT NULL DEFAULT 'json',
    reason           TEXT,
    options          TEXT    NOT NULL DEFAULT '{}',
    payload          TEXT    NOT NULL,
    result           TEXT,
    result_error     TEXT,
    history          TEXT    NOT NULL DEFAULT '[]'
);

-- Every index is partial: a row stands in one of them at a time, besides its id.
CREATE INDEX jobs_pending ON jobs (queue, priority, due_at, id) WHERE state = 'pending';
CREATE INDEX jobs_later ON jobs (queue, due_at, id) WHERE state IN ('scheduled', 'retrying');
CREATE INDEX jobs_running ON jobs (queue, worker) WHERE state = 'running';
CREATE INDEX jobs_stopping ON jobs (worker) WHERE cancel_requested = 1;
CREATE INDEX jobs_final ON jobs (state, queue, finished_at, id, retention) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_expiring ON jobs (state, finished_at + retention, id) WHERE finished_at IS NOT NULL AND retention IS NOT NULL;
CREATE INDEX jobs_dead ON jobs (id) WHERE state = 'dead';

-- How many jobs of a queue are in a state, kept in the transaction that moves them.
CREATE TABLE counts (
    queue  TEXT    NOT NULL,
    state  TEXT    NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (queue, state)
) WITHOUT ROWID;

CREATE TABLE keys (
    queue   TEXT NOT NULL,
    key     TEXT NOT NULL,
    job_id  TEXT NOT NULL,
    ends_at INTEGER,
    PRIMARY KEY (queue, key)
) WITHOUT ROWID;

CREATE INDEX keys_ending ON keys (ends_at) WHERE ends_at IS NOT NULL;

CREATE TABLE workers (
    id      TEXT    NOT NULL PRIMARY KEY,
    boot_id TEXT    NOT NULL,
    ends_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE records (
    kind      TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    value     TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    boot_id   TEXT,
    lapses_at INTEGER,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
