-- The server's clock: milliseconds since 1970 UTC, of due times and, where there is a second one, of leases. The only
-- place that reads time. One expression, so that the server puts it into the statements that ask.
CREATE FUNCTION {schema}.clock() RETURNS bigint[] LANGUAGE sql VOLATILE
AS $$ SELECT ARRAY[(extract(epoch FROM clock_timestamp()) * 1000)::bigint] $$;

-- Fixed-width columns first: a row has no gaps. Columns left NULL take a bit: those that few jobs need cost nothing.
CREATE TABLE {schema}.jobs (
    id               uuid     NOT NULL,
    due_at           bigint   NOT NULL,
    enqueued_at      bigint   NOT NULL,
    started_at       bigint,
    finished_at      bigint,
    parked_at        bigint,
    retention        bigint,
    attempt          integer  NOT NULL DEFAULT 0,
    crashes          integer  NOT NULL DEFAULT 0,
    generation       integer  NOT NULL DEFAULT 0,
    priority         smallint NOT NULL,
    alone            boolean  NOT NULL DEFAULT false,
    rescued          boolean  NOT NULL DEFAULT false,
    cancel_requested boolean  NOT NULL DEFAULT false,
    state            text     NOT NULL,
    queue            text     NOT NULL COLLATE "C",
    task             text     NOT NULL,
    worker           text     COLLATE "C",
    key              text     COLLATE "C",
    until            text,
    encoding         text,
    reason           text,
    options          text,
    result           text,
    result_error     text,
    history          text,
    notes            text,
    payload          text     NOT NULL,
    CONSTRAINT jobs_id PRIMARY KEY (id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- Every other index is partial: a row stands in one of them at a time.
CREATE INDEX jobs_pending ON {schema}.jobs (queue, priority, due_at, id) WHERE state = 'pending';
CREATE INDEX jobs_later ON {schema}.jobs (queue, due_at, id) WHERE state IN ('scheduled', 'retrying');
CREATE INDEX jobs_running ON {schema}.jobs (worker, queue) WHERE state = 'running';
CREATE INDEX jobs_stopping ON {schema}.jobs (worker) WHERE cancel_requested;
CREATE INDEX jobs_final ON {schema}.jobs (state, queue, finished_at, id) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_expiring ON {schema}.jobs (state, (finished_at + retention), id)
    WHERE finished_at IS NOT NULL AND retention IS NOT NULL;
CREATE INDEX jobs_dead ON {schema}.jobs (id) WHERE state = 'dead';

CREATE TABLE {schema}.keys (
    queue   text NOT NULL COLLATE "C",
    key     text NOT NULL COLLATE "C",
    job_id  uuid NOT NULL,
    ends_at bigint,
    CONSTRAINT keys_name PRIMARY KEY (queue, key)
);
CREATE INDEX keys_ending ON {schema}.keys (ends_at) WHERE ends_at IS NOT NULL;

-- Beats stand by themselves: keeping a lease never rewrites a job.
CREATE TABLE {schema}.workers (
    id      text   NOT NULL COLLATE "C",
    ends_at bigint NOT NULL,
    CONSTRAINT workers_id PRIMARY KEY (id)
) WITH (fillfactor = 50);

CREATE TABLE {schema}.records (
    kind      text   NOT NULL COLLATE "C",
    name      text   NOT NULL COLLATE "C",
    value     text   NOT NULL,
    version   bigint NOT NULL,
    lapses_at bigint,
    CONSTRAINT records_name PRIMARY KEY (kind, name)
) WITH (fillfactor = 50);
CREATE INDEX records_lapsing ON {schema}.records (lapses_at) WHERE lapses_at IS NOT NULL;

CREATE TABLE {schema}.timeline (
    id    text   NOT NULL COLLATE "C",
    kind  text   NOT NULL,
    queue text   NOT NULL,
    at    bigint NOT NULL,
    value text   NOT NULL,
    CONSTRAINT timeline_id PRIMARY KEY (id)
);
CREATE INDEX timeline_order ON {schema}.timeline (kind, at, id);
CREATE INDEX timeline_of_queue ON {schema}.timeline (kind, queue, at, id);
