CREATE TABLE mp_stream (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE mp_event (
    position INTEGER PRIMARY KEY,
    stream   INTEGER NOT NULL,
    version  INTEGER NOT NULL,
    id       BLOB NOT NULL,
    kind     TEXT NOT NULL,
    at       INTEGER NOT NULL,
    data     BLOB NOT NULL,
    metadata BLOB NOT NULL
);
CREATE UNIQUE INDEX mp_event_by_stream ON mp_event (stream, version);

CREATE TABLE mp_outbox (
    id         INTEGER PRIMARY KEY,
    message_id BLOB NOT NULL,
    topic      TEXT NOT NULL,
    key        TEXT,
    headers    BLOB NOT NULL,
    payload    BLOB NOT NULL,
    not_before INTEGER,
    at         INTEGER NOT NULL,
    parked     TEXT
);

CREATE TABLE mp_inbox (
    consumer   TEXT NOT NULL,
    message_id BLOB NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (consumer, message_id)
) WITHOUT ROWID;
CREATE INDEX mp_inbox_by_time ON mp_inbox (at);

CREATE TABLE mp_timer (
    owner   TEXT NOT NULL,
    key     TEXT NOT NULL,
    due     INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (owner, key)
) WITHOUT ROWID;
CREATE INDEX mp_timer_by_due ON mp_timer (owner, due);

CREATE TABLE mp_checkpoint (
    name     TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) WITHOUT ROWID;
