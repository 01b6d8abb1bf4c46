-- The store: one row with the counter that orders everything, the log, and the state derived from it.

CREATE TABLE store (
    singleton  BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (singleton),
    store_id   TEXT NOT NULL,
    -- The newest revision. Whoever writes locks this row, so commit order is revision order.
    revision   BIGINT NOT NULL DEFAULT 0,
    -- Changes up to this revision have been compacted away.
    horizon    BIGINT NOT NULL DEFAULT 0,
    -- The position in another store's order that this one reflects.
    watermark_store    TEXT,
    watermark_revision BIGINT
);

INSERT INTO store (store_id) VALUES (gen_random_uuid()::text);

CREATE TABLE changes (
    revision   BIGINT PRIMARY KEY,
    kind       TEXT NOT NULL,
    mesh       TEXT NOT NULL,
    name       TEXT NOT NULL,
    -- 0 for a deletion
    version    BIGINT NOT NULL,
    labels     TEXT NOT NULL,
    spec       BYTEA NOT NULL,
    -- nanoseconds since 1970
    created    BIGINT NOT NULL,
    modified   BIGINT NOT NULL
);

CREATE TABLE resources (
    kind       TEXT NOT NULL,
    mesh       TEXT NOT NULL,
    name       TEXT NOT NULL,
    revision   BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    labels     TEXT NOT NULL,
    spec       BYTEA NOT NULL,
    created    BIGINT NOT NULL,
    modified   BIGINT NOT NULL,
    PRIMARY KEY (kind, mesh, name)
);
