//! The tables of all projections of a ledger: the version each was built with, and the streams that are parked.

use mamparo_ledger::{Migration, Migrations};

pub(crate) const MIGRATIONS: Migrations = Migrations {
    component: "projection",
    steps: &[
        Migration {
            name: "versions of projections",
            sql: "CREATE TABLE mamparo_projection (
                      name TEXT NOT NULL PRIMARY KEY,
                      version INTEGER NOT NULL
                  )",
        },
        Migration {
            name: "parked streams",
            sql: "CREATE TABLE mamparo_projection_parked (
                      projection TEXT NOT NULL,
                      stream TEXT NOT NULL,
                      version INTEGER NOT NULL,
                      position INTEGER NOT NULL,
                      kind TEXT NOT NULL,
                      error TEXT NOT NULL,
                      attempts INTEGER NOT NULL,
                      since INTEGER NOT NULL,
                      PRIMARY KEY (projection, stream)
                  )",
        },
    ],
};

/// The checkpoint of a projection.
pub(crate) fn checkpoint(name: &str) -> String {
    format!("projection/{name}")
}
