-- The store: one row with the counter that orders everything, the log, and the state derived from it.

CREATE TABLE store (
    singleton  INTEGER PRIMARY KEY DEFAULT 1 CHECK (singleton = 1),
    store_id   TEXT NOT NULL,
    revision   INTEGER NOT NULL DEFAULT 0,
    -- Changes up to this revision have been compacted away.
    horizon    INTEGER NOT NULL DEFAULT 0,
    -- The position in another store's order that this one reflects.
    watermark_store    TEXT,
    watermark_revision INTEGER
) STRICT;

INSERT INTO store (store_id) VALUES (lower(hex(randomblob(16))));

CREATE TABLE changes (
    revision   INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL,
    mesh       TEXT NOT NULL,
    name       TEXT NOT NULL,
    -- 0 for a deletion
    version    INTEGER NOT NULL,
    labels     TEXT NOT NULL,
    spec       BLOB NOT NULL,
    -- nanoseconds since 1970
    created    INTEGER NOT NULL,
    modified   INTEGER NOT NULL
) STRICT;

CREATE TABLE resources (
    kind       TEXT NOT NULL,
    mesh       TEXT NOT NULL,
    name       TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    labels     TEXT NOT NULL,
    spec       BLOB NOT NULL,
    created    INTEGER NOT NULL,
    modified   INTEGER NOT NULL,
    PRIMARY KEY (kind, mesh, name)
) STRICT, WITHOUT ROWID;
