//! A database that is damaged: at the start nothing runs; under way the others go on, the one that cannot is started
//! again less and less often, and once its file is back everything is there.

use std::fs;
use std::path::PathBuf;

use super::wire::{ask, ended, eventually, order, written};
use crate::plan::Victim;
use crate::shop::{Patience, Shop};

const ENDED: &str = "orders ended with exit code 7, started again in ";

fn place(shop: &Shop, key: &str) -> String {
    let answer = ask(shop, written("POST", "/orders", &[("idempotency-key", key)], &order("ana")));
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.header("location").unwrap().to_owned()
}

fn rubbish() -> String {
    "this is not a database, however one reads it. ".repeat(500)
}

#[test]
fn a_service_with_a_damaged_file_is_named_and_the_others_go_on() {
    let shop = Shop::new();
    let up = shop.open();
    let first = place(&shop, "before");
    assert_eq!(ended(&shop, &first), "CONFIRMED");
    // Frozen, its files are as a crash would leave them; they are put aside, and rubbish lies in their place.
    let _frozen = up.freeze(Victim::Orders);
    let folder = shop.data().join("orders");
    let files: Vec<(PathBuf, Vec<u8>)> = ["orders.db", "orders.db-wal"]
        .map(|name| folder.join(name))
        .into_iter()
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    let clear = || {
        for name in ["orders.db", "orders.db-wal", "orders.db-shm"] {
            let _ = fs::remove_file(folder.join(name));
        }
    };
    clear();
    fs::write(folder.join("orders.db"), rubbish()).unwrap();
    let began = Patience::begin();
    up.kill(Victim::Orders);
    eventually(&shop, "it was tried five times", || shop.log().matches(ENDED).count() >= 5);
    // 50 ms after the kill, and 100, 200, 400 and 800 ms between five ends.
    assert!(began.elapsed().as_millis() >= 1_500, "it spins: {:?}", began.elapsed());
    let log = shop.log();
    for pause in ["100ms", "200ms", "400ms", "800ms"] {
        assert!(log.contains(&format!("{ENDED}{pause}")), "{pause} is not in\n{log}");
    }
    let named = log.lines().find(|line| line.starts_with("orders") && line.contains("error[MP-0005]"));
    assert!(named.is_some_and(|line| line.contains("orders.db")), "{log}");
    assert!(log.contains("put a backup in its place"), "{log}");

    assert_eq!(ask(&shop, written("GET", "/wallets/ana", &[], "")).status, 200);
    assert_eq!(ask(&shop, written("GET", "/stock/mate", &[], "")).status, 200);
    let refused = ask(&shop, written("POST", "/orders", &[("idempotency-key", "during")], &order("ana")));
    refused.is_problem(503, "service-unreachable");

    // The backup comes back while everything runs.
    clear();
    for (path, bytes) in &files {
        fs::write(path.with_extension("put"), bytes).unwrap();
        fs::rename(path.with_extension("put"), path).unwrap();
    }
    assert_eq!(shop.get_until_answered(&first).body["status"], "CONFIRMED");
    assert_eq!(
        shop.post_until_answered("/orders", "before", &serde_json::from_str(&order("ana")).unwrap()).location,
        Some(first)
    );
    assert_eq!(ended(&shop, &place(&shop, "after")), "CONFIRMED");
    assert_eq!(up.stop().1, Some(0));
}

#[test]
fn a_file_that_is_damaged_from_the_start_starts_nothing() {
    for name in ["orders", "payments", "inventory", "provider", "hub"] {
        let shop = Shop::new();
        let folder = shop.data().join(name);
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{name}.db"));
        fs::write(&file, rubbish()).unwrap();
        let (code, _, talk) = shop.run(&["up"]);
        assert_eq!(code, Some(7), "{talk}");
        for part in ["error[MP-0005]", "error[MP-0008]", &format!("{name}.db"), "everything has stopped"] {
            assert!(talk.contains(part), "{part} is not in\n{talk}");
        }
        assert_eq!(fs::read_to_string(file).unwrap(), rubbish(), "what cannot be read is not touched");
    }
}
