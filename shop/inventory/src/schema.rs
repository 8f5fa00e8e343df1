//! The tables of the stock, and what the first start puts on the shelves.

use mamparo_ledger::{Migration, Migrations};

/// Where a reservation stands is one of `reserved`, `refused` and `released`; the last two are for good.
pub(crate) const MIGRATIONS: Migrations = Migrations {
    component: "shop-inventory",
    steps: &[
        Migration {
            name: "stock, reservations, deliveries",
            sql: "CREATE TABLE stock (
                      sku      TEXT    PRIMARY KEY,
                      on_hand  INTEGER NOT NULL CHECK (on_hand >= 0),
                      reserved INTEGER NOT NULL CHECK (reserved >= 0 AND reserved <= on_hand)
                  ) WITHOUT ROWID;
                  CREATE TABLE reservation (
                      command  TEXT PRIMARY KEY,
                      standing TEXT NOT NULL,
                      reason   TEXT,
                      lines    TEXT NOT NULL
                  ) WITHOUT ROWID;
                  CREATE TABLE delivery (
                      id       INTEGER PRIMARY KEY,
                      sku      TEXT    NOT NULL,
                      quantity INTEGER NOT NULL,
                      at       INTEGER NOT NULL
                  );",
        },
        Migration {
            name: "a thousand of each product",
            sql:
                "INSERT INTO stock (sku, on_hand, reserved) VALUES
                      ('bombilla', 1000, 0), ('mate', 1000, 0), ('thermos', 1000, 0), ('yerba-1kg', 1000, 0);",
        },
    ],
};
