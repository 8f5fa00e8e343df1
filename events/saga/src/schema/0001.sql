CREATE TABLE mp_saga (
    id         TEXT PRIMARY KEY,
    definition TEXT NOT NULL,
    version    INTEGER NOT NULL,
    status     TEXT NOT NULL,
    step       TEXT NOT NULL,
    trace      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    wake_at    INTEGER,
    revision   INTEGER NOT NULL,
    state      TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX mp_saga_by_status ON mp_saga (status, id);
