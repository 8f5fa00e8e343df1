//! The shop from outside: an order travels through everything, and the commands show it.

use rustix::process::Signal;
use serde_json::Value;

use crate::world::{World, ask, get};

const ORDER: &str = r#"{"customer":"ana","lines":[{"sku":"mate","quantity":2}]}"#;

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn place(world: &World, key: &str) -> String {
    place_with(world, key, "")
}

/// Places an order with more header lines, each with its end.
pub(crate) fn place_with(world: &World, key: &str, headers: &str) -> String {
    let request = format!(
        "POST /orders HTTP/1.1\r\nhost: shop\r\nconnection: close\r\nidempotency-key: {key}\r\n{headers}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{ORDER}",
        ORDER.len()
    );
    let (status, body) = ask(world.gateway, &request).unwrap();
    assert_eq!(status, 202, "{body}");
    json(&body)["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_order_travels_through_everything_and_is_there_after_a_restart() {
    let world = World::shop();
    let up = world.up();
    let order = place(&world, "k-1");
    let (status, body) = get(world.gateway, &format!("/orders/{order}?wait=30s")).unwrap();
    assert_eq!((status, &json(&body)["status"]), (200, &"CONFIRMED".into()), "{body}");

    let run = |arguments: &[&str]| {
        let ended = world.run(arguments);
        assert_eq!(ended.code(), 0, "{arguments:?}: {}", ended.stderr());
        ended.stdout()
    };
    let sagas = json(&run(&["saga", "list", "--json"]));
    assert_eq!((&sagas[0]["status"], &sagas[0]["service"]), (&"completed".into(), &"orders".into()));
    let id = sagas[0]["id"].as_str().unwrap();
    assert!(run(&["saga", "show", id]).contains("inventory  succeeded"));
    let late = world.run(&["saga", "cancel", id, "--reason", "too late"]);
    assert_eq!(late.code(), 10, "{}", late.stderr());
    let streams = run(&["stream", "list", "--service", "orders"]);
    assert!(streams.contains(&format!("order-{order}")), "{streams}");
    assert!(run(&["stream", "show", &format!("order-{order}")]).contains("OrderConfirmed"));
    assert!(run(&["outbox", "status"]).contains("payments"));
    assert!(run(&["dead-letter", "list", "--json"]).starts_with("[]"));
    let (status, metrics) = world.admin("/metrics/orders").unwrap();
    assert_eq!(status, 200, "{metrics}");
    for line in [
        "mamparo_ledger_waiting 0",
        "mamparo_outbox_parked 0",
        "mamparo_consumer_messages_total{queue=\"orders.replies\",consumer=\"orders\",outcome=\"handled\"} 2",
        "mamparo_sagas{status=\"running\"} 0",
        "mamparo_spans_taken_total 0",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line} is missing in\n{metrics}");
    }
    for name in ["mamparo_ledger_position", "mamparo_ledger_groups_total", "mamparo_projection_lag{"] {
        assert!(metrics.contains(name), "{name} is missing in\n{metrics}");
    }
    assert!(world.admin("/metrics").unwrap().1.contains("mamparo_queue_leased{queue=\"orders.replies\"} 0"));

    up.signal(Signal::TERM);
    assert_eq!(up.wait(), Some(0));
    let again = world.up();
    let (status, body) = get(world.gateway, &format!("/orders/{order}")).unwrap();
    assert_eq!((status, &json(&body)["status"]), (200, &"CONFIRMED".into()), "{body}");
    assert_eq!(place(&world, "k-1"), order, "the same key is the same order");
    again.signal(Signal::TERM);
    assert_eq!(again.wait(), Some(0));
}

#[test]
fn a_price_is_changed_inside_and_never_through_the_gateway() {
    let world = World::shop();
    let up = world.up();
    let change = |host: &str, amount: u32| {
        let body = format!(r#"{{"amount":{amount}}}"#);
        format!(
            "PUT /products/mate/price HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nidempotency-key: {amount}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let price = || json(&get(world.gateway, "/products/mate").unwrap().1)["price"]["amount"].clone();
    assert_eq!(price(), 1_250_000);
    let (status, body) = ask(world.gateway, &change("shop", 1)).unwrap();
    assert_eq!((status, &json(&body)["code"]), (405, &"method-not-allowed".into()), "{body}");
    assert_eq!(price(), 1_250_000);
    let (status, body) = ask(world.mesh, &change("orders.mamparo", 1_300_000)).unwrap();
    assert_eq!(status, 200, "{body}");
    assert_eq!(price(), 1_300_000);

    let (_, metrics) = world.admin("/metrics/orders").unwrap();
    for line in [
        "mamparo_cache_reads_total{cache=\"products\",kind=\"hit\"} 2",
        "mamparo_cache_reads_total{cache=\"products\",kind=\"miss\"} 1",
        "mamparo_cache_loads_total{cache=\"products\",kind=\"begun\"} 1",
        "mamparo_cache_evictions_total{cache=\"product-list\",cause=\"invalidated\"} 1",
        "mamparo_cache_entries{cache=\"products\"} 4",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line} is missing in\n{metrics}");
    }
    up.signal(Signal::TERM);
    assert_eq!(up.wait(), Some(0));
}

#[test]
fn driving_the_shop_tells_whether_everything_holds() {
    let world = World::shop();
    let up = world.up();
    let base = format!("http://{}", world.gateway);
    let ended =
        world.run(&["shop", "drive", "--orders", "60", "--concurrency", "8", "--base", &base, "--json"]);
    assert_eq!(ended.code(), 0, "{}{}", ended.stderr(), ended.stdout());
    let report = json(&ended.stdout());
    assert_eq!((&report["accepted"], &report["expected"]), (&60.into(), &report["got"]));
    up.signal(Signal::TERM);
    assert_eq!(up.wait(), Some(0));
}
