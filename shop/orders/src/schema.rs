//! The tables of the orders, and what is sold from the first start on.

use mamparo_ledger::{Migration, Migrations};

/// `order_view` is a read model.
pub(crate) const MIGRATIONS: Migrations = Migrations {
    component: "shop-orders",
    steps: &[
        Migration {
            name: "products, orders as they are shown",
            sql: "CREATE TABLE product (
                      sku   TEXT    PRIMARY KEY,
                      name  TEXT    NOT NULL,
                      price INTEGER NOT NULL CHECK (price > 0)
                  ) WITHOUT ROWID;
                  CREATE TABLE order_view (
                      id        TEXT    PRIMARY KEY,
                      customer  TEXT    NOT NULL,
                      status    TEXT    NOT NULL,
                      reason    TEXT,
                      lines     TEXT    NOT NULL,
                      total     INTEGER NOT NULL,
                      currency  TEXT    NOT NULL,
                      placed_at INTEGER NOT NULL,
                      ended_at  INTEGER
                  ) WITHOUT ROWID;
                  CREATE INDEX order_by_customer ON order_view (customer, id);
                  CREATE INDEX order_by_status ON order_view (status, id);",
        },
        Migration {
            name: "four products",
            sql: "INSERT INTO product (sku, name, price) VALUES
                      ('bombilla', 'Bombilla of nickel silver', 890000),
                      ('mate', 'Mate gourd', 1250000),
                      ('thermos', 'Thermos, 1 litre', 4500000),
                      ('yerba-1kg', 'Yerba mate, 1 kg', 480000);",
        },
    ],
};
