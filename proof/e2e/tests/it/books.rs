//! What must hold when everything has come to rest, whatever was killed when: read from the files themselves, after
//! all processes have ended.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

/// Where each order that was accepted ended: its total if it was confirmed.
pub(crate) type Ended = BTreeMap<String, Option<i64>>;

/// Opens every ledger below `folder`, and only reads.
fn ledgers(folder: &Path) -> Vec<(PathBuf, Connection)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "db") {
                let conn = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
                found.push((path, conn));
            }
        }
    }
    found
}

fn count(conn: &Connection, from: &str) -> i64 {
    conn.query_row(&format!("SELECT count(*) FROM {from}"), [], |row| row.get(0)).unwrap()
}

fn pairs(conn: &Connection, sql: &str) -> BTreeMap<String, i64> {
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// Nothing is left over in any ledger, and nothing was charged twice.
pub(crate) fn check(data: &Path, ended: &Ended) {
    let ledgers = ledgers(data);
    let named = |name: &str| {
        let found = ledgers.iter().find(|(path, _)| path.file_name().is_some_and(|own| own == name));
        &found.unwrap_or_else(|| panic!("there is no {name} in {data:?}")).1
    };
    assert_eq!(ledgers.len(), 5, "{ledgers:?}");
    for (path, conn) in &ledgers {
        let whole: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok", "{path:?}");
        assert_eq!(count(conn, "mp_outbox"), 0, "messages that were never sent in {path:?}");
        assert_eq!(count(conn, "mp_timer"), 0, "timers of what has ended in {path:?}");
        let old = "mp_inbox WHERE at < (unixepoch() - 7 * 24 * 3600) * 1000000";
        assert_eq!(count(conn, old), 0, "receipts from before the window in {path:?}");
        // Positions without gaps, and versions without gaps in every stream.
        let last: i64 =
            conn.query_row("SELECT coalesce(max(position), 0) FROM mp_event", [], |row| row.get(0)).unwrap();
        assert_eq!(count(conn, "mp_event"), last, "a gap in {path:?}");
        let torn = "(SELECT stream FROM mp_event GROUP BY stream HAVING count(*) <> max(version))";
        assert_eq!(count(conn, torn), 0, "a torn stream in {path:?}");
    }
    let hub = named("hub.db");
    for table in ["hub_message", "hub_ready", "hub_away", "hub_dead"] {
        assert_eq!(count(hub, table), 0, "{table}");
    }
    check_orders(named("orders.db"), ended);
    check_charges(named("provider.db"), ended);
    check_wallets(named("payments.db"));
}

/// Every order that was accepted has ended once, its saga too, and the read model equals a replay of the events.
fn check_orders(orders: &Connection, ended: &Ended) {
    let ends = "SELECT substr(s.name, 7), sum(e.kind = 'OrderConfirmed') * 10 + sum(e.kind = 'OrderCancelled')
                FROM mp_event e JOIN mp_stream s ON s.id = e.stream WHERE s.name LIKE 'order-%' GROUP BY s.name";
    let replayed = pairs(orders, ends);
    let shown = pairs(
        orders,
        "SELECT id, CASE status WHEN 'CONFIRMED' THEN 10 WHEN 'CANCELLED' THEN 1 ELSE 0 END FROM order_view",
    );
    assert_eq!(shown, replayed, "the read model differs from a replay");
    for (order, total) in ended {
        let end = if total.is_some() { 10 } else { 1 };
        assert_eq!(replayed.get(order), Some(&end), "order {order}, which was accepted");
    }
}

/// Exactly the orders that were confirmed are charged at the provider, each once and to the unit.
fn check_charges(provider: &Connection, ended: &Ended) {
    let charged = "SELECT order_id, sum(amount) FROM charge WHERE status = 'charged' GROUP BY order_id";
    let charged = pairs(provider, charged);
    let confirmed: BTreeMap<_, _> =
        ended.iter().filter_map(|(order, total)| Some((order.clone(), (*total)?))).collect();
    let wrong: Vec<_> = charged.iter().filter(|(order, sum)| confirmed.get(*order) != Some(*sum)).collect();
    assert!(wrong.is_empty(), "charged, but not confirmed at that price: {wrong:?}");
    let missing: Vec<_> = confirmed.keys().filter(|order| !charged.contains_key(*order)).collect();
    assert!(missing.is_empty(), "confirmed, but not charged: {missing:?}");
    let twice =
        "(SELECT order_id FROM charge WHERE status = 'charged' GROUP BY order_id HAVING count(*) > 1)";
    assert_eq!(count(provider, twice), 0, "charged twice");
}

/// The wallets that are shown equal a replay of their events.
fn check_wallets(payments: &Connection) {
    let amount = "json_extract(e.data, '$.amount')";
    let replayed = pairs(
        payments,
        &format!(
            "SELECT substr(s.name, 8), sum(CASE e.kind WHEN 'MoneyDeposited' THEN {amount}
                 WHEN 'PaymentRefunded' THEN {amount} WHEN 'PaymentCaptured' THEN -{amount} ELSE 0 END)
             FROM mp_event e JOIN mp_stream s ON s.id = e.stream WHERE s.name LIKE 'wallet-%' GROUP BY s.name"
        ),
    );
    assert_eq!(
        pairs(payments, "SELECT customer, balance FROM wallet"),
        replayed,
        "wallets differ from a replay"
    );
    assert_eq!(count(payments, "wallet WHERE held <> 0"), 0, "money is held for payments that have ended");
}
