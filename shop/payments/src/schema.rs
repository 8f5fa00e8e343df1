//! The tables of the payments.

use mamparo_ledger::{Migration, Migrations};

/// `payment` is what a command of a saga has come to; `wallet` and `movement` are read models.
pub(crate) const MIGRATIONS: Migrations = Migrations {
    component: "shop-payments",
    steps: &[Migration {
        name: "payments, wallets, movements",
        sql: "CREATE TABLE payment (
                  id           TEXT    PRIMARY KEY,
                  order_id     TEXT    NOT NULL,
                  customer     TEXT    NOT NULL,
                  amount       INTEGER NOT NULL,
                  currency     TEXT    NOT NULL,
                  standing     TEXT    NOT NULL,
                  reason       TEXT,
                  answers      TEXT    NOT NULL,
                  attempt      INTEGER NOT NULL,
                  reply_to     TEXT    NOT NULL,
                  trace        TEXT    NOT NULL
              ) WITHOUT ROWID;
              CREATE TABLE wallet (
                  customer TEXT    PRIMARY KEY,
                  balance  INTEGER NOT NULL,
                  held     INTEGER NOT NULL
              ) WITHOUT ROWID;
              CREATE TABLE movement (
                  position INTEGER PRIMARY KEY,
                  customer TEXT    NOT NULL,
                  kind     TEXT    NOT NULL,
                  amount   INTEGER NOT NULL,
                  order_id TEXT,
                  at       INTEGER NOT NULL
              );
              CREATE INDEX movement_by_customer ON movement (customer, position);
              CREATE TABLE seeded (what TEXT PRIMARY KEY) WITHOUT ROWID;",
    }],
};
