//! The tables of the hub, all named `hub_…`, in a ledger of any other use.
//!
//! A message of a queue is one row of `hub_message`, written once and deleted once. Where it stands is told by
//! small rows beside it, so that leasing never rewrites a payload: in `hub_ready` it can be leased, in `hub_away`
//! it is leased or waits for its moment (`lease` 0), in neither it waits for the message before it of its key.

use mamparo_ledger::{Migration, Migrations};

pub(crate) const MIGRATIONS: Migrations =
    Migrations { component: "hub", steps: &[Migration { name: "queues and logs", sql: FIRST }] };

const FIRST: &str = "
CREATE TABLE hub_topic (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, partitions INTEGER NOT NULL
) STRICT;
-- 1: the last sequence number of a message, 2: the last number of a lease; neither is ever used twice
CREATE TABLE hub_counter (id INTEGER PRIMARY KEY, value INTEGER NOT NULL) STRICT;
INSERT INTO hub_counter (id, value) VALUES (1, 0), (2, 0);
-- what a queue holds, dead letters included
CREATE TABLE hub_queue (id INTEGER PRIMARY KEY, messages INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
CREATE TABLE hub_message (
    id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, topic INTEGER NOT NULL, size INTEGER NOT NULL,
    not_before INTEGER, uuid BLOB NOT NULL, key TEXT, headers TEXT, payload BLOB NOT NULL
) STRICT;
CREATE INDEX hub_message_by_key ON hub_message (queue, key, id) WHERE key IS NOT NULL;
CREATE TABLE hub_ready (
    queue INTEGER NOT NULL, id INTEGER NOT NULL, size INTEGER NOT NULL, keyed INTEGER NOT NULL,
    attempts INTEGER NOT NULL, error TEXT, PRIMARY KEY (queue, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE hub_away (
    id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, due INTEGER NOT NULL, lease INTEGER NOT NULL,
    size INTEGER NOT NULL, keyed INTEGER NOT NULL, attempts INTEGER NOT NULL, error TEXT
) STRICT;
CREATE INDEX hub_away_by_due ON hub_away (queue, due);
CREATE TABLE hub_dead (
    id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, topic INTEGER NOT NULL, size INTEGER NOT NULL,
    attempts INTEGER NOT NULL, error TEXT NOT NULL, dead_since INTEGER NOT NULL,
    uuid BLOB NOT NULL, key TEXT, headers TEXT, payload BLOB NOT NULL
) STRICT;
CREATE INDEX hub_dead_by_queue ON hub_dead (queue, id);
CREATE TABLE hub_seen (
    queue INTEGER NOT NULL, uuid BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (queue, uuid)
) STRICT, WITHOUT ROWID;
CREATE INDEX hub_seen_by_age ON hub_seen (queue, at);
CREATE TABLE hub_partition (
    id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, number INTEGER NOT NULL,
    first INTEGER NOT NULL, next INTEGER NOT NULL, bytes INTEGER NOT NULL, UNIQUE (topic, number)
) STRICT;
-- id = partition id * 2^40 + offset
CREATE TABLE hub_record (
    id INTEGER PRIMARY KEY, size INTEGER NOT NULL, at INTEGER NOT NULL,
    uuid BLOB NOT NULL, key TEXT, headers TEXT, payload BLOB NOT NULL
) STRICT;
CREATE TABLE hub_offset (
    topic INTEGER NOT NULL, name TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (topic, name, partition)
) STRICT, WITHOUT ROWID;
";
