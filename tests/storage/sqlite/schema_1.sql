-- A store as schema 1 left it, with a job of every state. Written by the code of that schema; never edited.
PRAGMA application_id = 1212437059;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE counts (
    queue  TEXT    NOT NULL,
    state  TEXT    NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (queue, state)
) WITHOUT ROWID;
INSERT INTO "counts" VALUES('a','pending',0);
INSERT INTO "counts" VALUES('a','running',1);
INSERT INTO "counts" VALUES('b','pending',0);
INSERT INTO "counts" VALUES('b','retrying',1);
INSERT INTO "counts" VALUES('b','running',0);
INSERT INTO "counts" VALUES('c','completed',2);
INSERT INTO "counts" VALUES('c','pending',0);
INSERT INTO "counts" VALUES('c','running',0);
INSERT INTO "counts" VALUES('d','dead',1);
INSERT INTO "counts" VALUES('d','pending',0);
INSERT INTO "counts" VALUES('d','running',0);
INSERT INTO "counts" VALUES('e','cancelled',1);
INSERT INTO "counts" VALUES('e','pending',0);
INSERT INTO "counts" VALUES('e','running',0);
INSERT INTO "counts" VALUES('f','completed',1);
INSERT INTO "counts" VALUES('f','pending',0);
INSERT INTO "counts" VALUES('f','running',0);
INSERT INTO "counts" VALUES('g','pending',0);
INSERT INTO "counts" VALUES('g','running',1);
INSERT INTO "counts" VALUES('h','pending',0);
INSERT INTO "counts" VALUES('h','running',0);
INSERT INTO "counts" VALUES('h','scheduled',1);
INSERT INTO "counts" VALUES('waits','pending',1);
INSERT INTO "counts" VALUES('waits','scheduled',1);
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
INSERT INTO "jobs" VALUES(1,'01a3185c-5000-7226-9b1e-2d5b91b7584a','waits','scheduled','scheduled',1000,1800000060000,1800000000000,0,0,0,NULL,0,0,0,NULL,NULL,NULL,NULL,NULL,'finished','json',NULL,'{"timeout":2.5,"headers":{"é":"👍"}}','{"name":"Zoë 👍\u0000"}',NULL,NULL,'[]');
INSERT INTO "jobs" VALUES(2,'01a3185c-5000-7226-9b1e-2d5c5f18967b','waits','pending','pending',7,1800000000000,1800000000000,0,0,0,NULL,0,0,0,NULL,NULL,NULL,NULL,NULL,'finished','json',NULL,'{}','{}',NULL,NULL,'[]');
INSERT INTO "jobs" VALUES(3,'01a3185c-5000-7226-9b1e-2d5d229f5240','a','running','running',1000,1800000000000,1800000000000,1,0,1,'w',0,0,0,NULL,1800000000000,NULL,NULL,'held','finished','json',NULL,'{}','{}',NULL,NULL,'[]');
INSERT INTO "jobs" VALUES(4,'01a3185c-5000-7226-9b1e-2d5d32c71712','b','retrying','retrying',1000,1800000001000,1800000000000,1,0,1,'w',0,0,0,NULL,1800000000000,NULL,NULL,NULL,'finished','json','failed','{}','{}',NULL,NULL,'[[1,"w",1800000000000,1800000000000,"failed",{"kind":"ValueError","message":"näh","traceback":"Traceback\n  …\n"}]]');
INSERT INTO "jobs" VALUES(5,'01a3185c-5000-7226-9b1e-2d5d74134b4f','c','completed','completed',1000,1800000000000,1800000000000,1,0,1,'w',0,0,0,NULL,1800000000000,1800000000000,5000,NULL,'finished','json',NULL,'{"retention":5.0}','{}','{"a":"é"}',NULL,'[]');
INSERT INTO "jobs" VALUES(6,'01a3185c-5000-7226-9b1e-2d5d924336d9','c','completed_plain','completed',1000,1800000000000,1800000000000,1,0,1,'w',0,0,0,NULL,1800000000000,1800000000000,NULL,NULL,'finished','json',NULL,'{}','{}',NULL,NULL,'[]');
INSERT INTO "jobs" VALUES(7,'01a3185c-5000-7226-9b1e-2d5e11180c55','d','dead','dead',1000,1800000000000,1800000000000,1,0,1,'w',0,0,0,NULL,1800000000000,1800000000000,50000,'free','finished','json','given_up','{"retention":50.0}','{}',NULL,NULL,'[[1,"w",1800000000000,1800000000000,"failed",{"kind":"ValueError","message":"no","traceback":""}]]');
INSERT INTO "jobs" VALUES(8,'01a3185c-5000-7226-9b1e-2d5ed3e67b9a','e','cancelled','cancelled',1000,1800000000000,1800000000000,1,0,1,'w',0,0,0,NULL,1800000000000,1800000000000,NULL,NULL,'finished','json','cancelled','{}','{}',NULL,NULL,'[[1,"w",1800000000000,1800000000000,"cancelled",{"kind":"Cancelled","message":"enough","traceback":""}]]');
INSERT INTO "jobs" VALUES(9,'01a3185c-5000-7226-9b1e-2d5f46f8543e','f','window','completed',1000,1800000000000,1800000000000,1,0,1,'w',0,0,0,NULL,1800000000000,1800000000000,NULL,'window','window','json',NULL,'{}','{}',NULL,NULL,'[]');
INSERT INTO "jobs" VALUES(10,'01a3185c-5000-7226-9b1e-2d5fbfdd64a0','g','abandoned','running',1000,1800000000000,1800000000000,1,0,1,'gone',0,0,0,NULL,1800000000000,NULL,NULL,NULL,'finished','json',NULL,'{}','{}',NULL,NULL,'[]');
INSERT INTO "jobs" VALUES(11,'01a3185c-5000-7226-9b1e-2d6066ac30bc','h','snoozed','scheduled',1000,1800000012500,1800000000000,0,0,1,'w',0,0,0,NULL,1800000000000,NULL,NULL,NULL,'finished','json','snoozed','{}','{}',NULL,NULL,'[[1,"w",1800000000000,1800000000000,"snoozed",null]]');
CREATE TABLE keys (
    queue   TEXT NOT NULL,
    key     TEXT NOT NULL,
    job_id  TEXT NOT NULL,
    ends_at INTEGER,
    PRIMARY KEY (queue, key)
) WITHOUT ROWID;
INSERT INTO "keys" VALUES('a','held','01a3185c-5000-7226-9b1e-2d5d229f5240',NULL);
INSERT INTO "keys" VALUES('f','window','01a3185c-5000-7226-9b1e-2d5f46f8543e',1800000100000);
CREATE TABLE records (
    kind      TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    value     TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    boot_id   TEXT,
    lapses_at INTEGER,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
INSERT INTO "records" VALUES('kv','a','{"é":2}',2,NULL,NULL);
INSERT INTO "records" VALUES('kv','short','1',1,'manual',1011000);
INSERT INTO "records" VALUES('lease','pruner','"w"',1,'manual',1121000);
INSERT INTO "records" VALUES('queue','a','{"concurrency":1}',1,NULL,NULL);
CREATE TABLE workers (
    id      TEXT    NOT NULL PRIMARY KEY,
    boot_id TEXT    NOT NULL,
    ends_at INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "workers" VALUES('gone','manual',1000000);
INSERT INTO "workers" VALUES('w','manual',1030000);
CREATE INDEX jobs_pending ON jobs (queue, priority, due_at, id) WHERE state = 'pending';
CREATE INDEX jobs_later ON jobs (queue, due_at, id) WHERE state IN ('scheduled', 'retrying');
CREATE INDEX jobs_running ON jobs (queue, worker) WHERE state = 'running';
CREATE INDEX jobs_stopping ON jobs (worker) WHERE cancel_requested = 1;
CREATE INDEX jobs_final ON jobs (state, queue, finished_at, id, retention) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_expiring ON jobs (state, finished_at + retention, id) WHERE finished_at IS NOT NULL AND retention IS NOT NULL;
CREATE INDEX jobs_dead ON jobs (id) WHERE state = 'dead';
CREATE INDEX keys_ending ON keys (ends_at) WHERE ends_at IS NOT NULL;
COMMIT;
