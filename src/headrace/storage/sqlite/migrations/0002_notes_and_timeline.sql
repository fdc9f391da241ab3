ALTER TABLE jobs ADD COLUMN notes TEXT;

CREATE TABLE timeline (
    id    TEXT    NOT NULL PRIMARY KEY,
    kind  TEXT    NOT NULL,
    queue TEXT    NOT NULL,
    at    INTEGER NOT NULL,
    value TEXT    NOT NULL
) WITHOUT ROWID;

CREATE INDEX timeline_order ON timeline (kind, at, id);
