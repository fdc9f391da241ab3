ALTER TABLE jobs ADD COLUMN notes TEXT;

CREATE TABLE timeline (
    id    TEXT    NOT NULL PRIMARY KEY,
    kind  TEXT    NOT NULL,
    queue TEXT    NOT NULL,
    at    INTEGER NOT NULL,
    value TEXT    NOT NULL
) WITHOUT ROWID;

CREATE INDEX timeline_order ON timeline (kind, at, id);
CREATE INDEX timeline_of_queue ON timeline (kind, queue, at, id);

-- Users' own records may be many and large: a look for lapsed ones must not read them.
CREATE INDEX records_lapsing ON records (lapses_at, boot_id) WHERE lapses_at IS NOT NULL;
