//! What the provider remembers: one row for each key, and what a repeated, a voided and a new one come to.

use mamparo_ledger::{Ledger, Migration, Migrations, ReadError, Result, Row, Tx, params};
use serde_json::{Value, json};

use crate::limits::CHARGES_PAGE;

/// The status of a charge is one of `charged`, `refunded` and `voided`; the last two are for good. A voided one was
/// closed before it was ever charged.
pub(crate) const MIGRATIONS: Migrations = Migrations {
    component: "shop-card-provider",
    steps: &[Migration {
        name: "charges",
        sql: "CREATE TABLE charge (
                  key        TEXT PRIMARY KEY,
                  status     TEXT    NOT NULL,
                  amount     INTEGER NOT NULL,
                  currency   TEXT    NOT NULL,
                  order_id   TEXT,
                  at         INTEGER NOT NULL
              ) WITHOUT ROWID;",
    }],
};

const SELECT: &str = "SELECT key, status, amount, currency, order_id, at FROM charge";

/// What charging came to.
pub(crate) enum Charging {
    /// It is charged, now or before.
    Charged(Value),
    /// It is charged, with another amount.
    Another,
    /// Its key is closed.
    Closed(Value),
}

/// Charges under a key, once.
pub(crate) async fn charge(
    tx: &mut Tx<'_>,
    key: &str,
    amount: i64,
    currency: &str,
    order: Option<&str>,
) -> Result<Charging> {
    if let Some(row) = one(tx, key).await? {
        let charge = read(&row)?;
        let same = charge["amount"] == amount && charge["currency"] == currency;
        return Ok(match (charge["status"].as_str(), same) {
            (Some("charged"), true) => Charging::Charged(charge),
            (Some("charged"), false) => Charging::Another,
            _ => Charging::Closed(charge),
        });
    }
    insert(tx, key, "charged", amount, currency, order).await?;
    let charge = one(tx, key).await?.map(|row| read(&row)).transpose()?;
    Ok(Charging::Charged(charge.unwrap_or_default()))
}

/// Gives back what was charged under a key, and closes the key.
pub(crate) async fn refund(tx: &mut Tx<'_>, key: &str) -> Result<Value> {
    let sql = "UPDATE charge SET status = 'refunded' WHERE key = ?1 AND status = 'charged'";
    if tx.sql(sql, params![key]).await? == 0 && one(tx, key).await?.is_none() {
        insert(tx, key, "voided", 0, "ARS", None).await?;
    }
    Ok(one(tx, key).await?.map(|row| read(&row)).transpose()?.unwrap_or_default())
}

/// The charge under a key.
pub(crate) async fn find(ledger: &Ledger, key: &str) -> Result<Option<Value>> {
    let rows = ledger.query(&format!("{SELECT} WHERE key = ?1"), params![key]).await?;
    rows.first().map(read).transpose()
}

/// Charges by key, behind `after`, a page of them.
pub(crate) async fn list(ledger: &Ledger, after: &str) -> Result<Vec<Value>> {
    let sql = format!("{SELECT} WHERE key > ?1 ORDER BY key LIMIT ?2");
    let rows = ledger.query(&sql, params![after, CHARGES_PAGE]).await.map_err(|error: ReadError| error)?;
    rows.iter().map(read).collect()
}

async fn one(tx: &mut Tx<'_>, key: &str) -> Result<Option<Row>> {
    tx.query_one(
        "SELECT key, status, amount, currency, order_id, at FROM charge WHERE key = ?1",
        params![key],
    )
    .await
}

async fn insert(
    tx: &mut Tx<'_>,
    key: &str,
    status: &str,
    amount: i64,
    currency: &str,
    order: Option<&str>,
) -> Result<()> {
    let now = tx.clock().wall();
    let sql =
        "INSERT INTO charge (key, status, amount, currency, order_id, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.sql(sql, params![key, status, amount, currency, order, now]).await?;
    Ok(())
}

fn read(row: &Row) -> Result<Value> {
    let (key, status, amount): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (currency, order): (String, Option<String>) = (row.get(3)?, row.get(4)?);
    let at: mamparo_context::Timestamp = row.get(5)?;
    Ok(json!({
        "key": key, "status": status, "amount": amount, "currency": currency, "order": order, "at": at.to_string(),
    }))
}
