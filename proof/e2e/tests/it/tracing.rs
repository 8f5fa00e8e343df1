//! One trace from the client to the card provider: the id that a client brings stands in the access log, in what each
//! service says, in every message on its way, and in what is stored.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::plan::Victim;
use crate::shop::{Patience, Shop};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// Waits until `find` finds something.
#[track_caller]
fn wait_for<T>(shop: &Shop, what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let patience = Patience::begin();
    while patience.is_left() {
        if let Some(found) = find() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("{what} never came\n{}", shop.log());
}

/// A log line of the process, in JSON.
fn line(shop: &Shop, process: &str, such: impl Fn(&Value) -> bool) -> Option<Value> {
    let log = std::fs::read_to_string(shop.path().join("log")).unwrap();
    let own = log.lines().filter_map(|line| line.strip_prefix(process)?.trim_start().strip_prefix("| "));
    own.filter_map(|line| serde_json::from_str(line).ok()).find(such)
}

/// One text of a database, which is only read.
fn stored(data: &Path, file: &str, sql: &str, key: &str) -> Option<String> {
    let conn = Connection::open_with_flags(data.join(file), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    match conn.query_row(sql, [key], |row| row.get(0)) {
        Ok(text) => Some(text),
        Err(rusqlite::Error::QueryReturnedNoRows) => None,
        Err(error) => panic!("{file}: {error}"),
    }
}

/// Whether the text says a span of the trace, in the form of the standard.
#[track_caller]
fn is_of_the_trace(text: &str) {
    let parts: Vec<&str> = text.split('-').collect();
    assert_eq!((parts.len(), parts[0], parts[1], parts[3]), (4, "00", TRACE, "01"), "{text}");
}

#[test]
fn one_order_is_one_trace_from_the_gateway_to_the_card() {
    let shop = Shop::new();
    let file = shop.path().join("mamparo.yaml");
    let config = std::fs::read_to_string(&file).unwrap();
    let level = "info,mamparo_shop_orders=debug,mamparo_shop_payments=debug,mamparo_shop_inventory=debug";
    std::fs::write(file, format!("{config}\nlog: {{format: json, level: '{level}'}}\n")).unwrap();
    let up = shop.open();
    let data = shop.data();

    // While payments stands still, its command can be looked at where it waits.
    let payments = up.freeze(Victim::Payments);
    let order = json!({"customer": "ana", "lines": [{"sku": "mate", "quantity": 2}]});
    let trace = format!("00-{TRACE}-{SPAN}-01");
    let placed = shop.post_with("/orders", &[("idempotency-key", "traced"), ("traceparent", &trace)], &order);
    assert_eq!(placed.status, 202, "{}", placed.body);
    let location = placed.location.unwrap();
    let id = location.strip_prefix("/orders/").unwrap();
    let message = wait_for(&shop, "the command in the hub", || {
        let sql = "SELECT headers FROM hub_message WHERE key = ?1";
        stored(&data, "hub/hub.db", sql, id)
    });
    let headers: Vec<(String, String)> = serde_json::from_str(&message).unwrap();
    let parent =
        headers.iter().find(|(name, _)| name == "traceparent").unwrap_or_else(|| panic!("{headers:?}"));
    is_of_the_trace(&parent.1);
    drop(payments);
    let shown = shop.get(&format!("{location}?wait=10s")).unwrap();
    assert_eq!(shown.body["status"], "CONFIRMED", "{}", shown.body);

    // What was stored with it stays.
    let saga = stored(&data, "orders/orders.db", "SELECT trace FROM mp_saga WHERE id = ?1", id);
    is_of_the_trace(&saga.unwrap());
    let payment = "SELECT trace FROM payment WHERE id = ?1 || '/payment/do'";
    is_of_the_trace(&stored(&data, "payments/payments.db", payment, id).unwrap());

    // Everybody who had a hand in it says so under the same id.
    let access = |method: &str, path: &str, service: &str| {
        let entry = wait_for(&shop, path, || {
            line(&shop, "node", |line| {
                line["target"] == "access" && line["trace"] == TRACE && line["path"] == path
            })
        });
        assert_eq!((&entry["method"], &entry["service"]), (&json!(method), &json!(service)), "{entry}");
        entry
    };
    assert_eq!(access("POST", "/orders", "orders")["status"], 202);
    assert_eq!(access("POST", "/charges", "provider")["status"], 201);
    for (process, message) in [
        ("orders", "order accepted"),
        ("payments", "payments command taken"),
        ("provider", "asked to charge"),
        ("payments", "payment settled"),
        ("inventory", "inventory command taken"),
        ("orders", "order ended"),
    ] {
        wait_for(&shop, message, || {
            line(&shop, process, |line| line["message"] == message && line["trace"] == TRACE)
        });
    }

    // An order without a trace gets one of its own, under which the client finds it.
    let other = shop.post_with("/orders", &[("idempotency-key", "untraced")], &order);
    let id = other.location.unwrap().strip_prefix("/orders/").unwrap().to_owned();
    let own = stored(&data, "orders/orders.db", "SELECT trace FROM mp_saga WHERE id = ?1", &id).unwrap();
    let own = own.split('-').nth(1).unwrap().to_owned();
    assert_ne!(own, TRACE);
    wait_for(&shop, "its access log", || line(&shop, "node", |line| line["trace"] == own.as_str()));
    // A problem names the trace, so that whoever is told of it finds the request.
    let problem = shop.get("/nothing").unwrap().body;
    let trace = problem["trace"].as_str().unwrap_or_else(|| panic!("{problem}")).to_owned();
    wait_for(&shop, "the refused request", || line(&shop, "node", |line| line["trace"] == trace.as_str()));
    assert_eq!(up.stop().1, Some(0));
}
