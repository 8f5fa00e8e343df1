//! The tables of journals, any number of them in one ledger.

use mamparo_ledger::{Migration, Migrations};

/// `opened` counts how often a journal was opened: who holds an older count may not write.
pub(crate) const MIGRATIONS: Migrations = Migrations {
    component: "cache-journal",
    steps: &[Migration {
        name: "journals of caches",
        sql: "CREATE TABLE cache_journal (
                  number  INTEGER PRIMARY KEY,
                  name    TEXT    NOT NULL UNIQUE,
                  opened  INTEGER NOT NULL,
                  records INTEGER NOT NULL
              );
              CREATE TABLE cache_journal_record (
                  journal INTEGER NOT NULL,
                  id      INTEGER NOT NULL,
                  payload BLOB    NOT NULL,
                  PRIMARY KEY (journal, id)
              ) WITHOUT ROWID;",
    }],
};
