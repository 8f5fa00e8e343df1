//! Starts that cannot be: each ends soon, with a number for scripts, and says what is wrong, where, and what to do.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use super::wire::{Wire, written};
use crate::shop::Shop;

/// Runs a command that is refused: what it says about it.
#[track_caller]
fn refused(shop: &Shop, arguments: &[&str], code: i32) -> String {
    let (ended, data, talk) = shop.run(arguments);
    assert_eq!(ended, Some(code), "{arguments:?}: {talk}");
    assert!(data.is_empty(), "talk belongs to stderr: {data}");
    assert!(!talk.contains("panicked"), "{talk}");
    talk
}

#[track_caller]
fn says(talk: &str, parts: &[&str]) {
    for part in parts {
        assert!(talk.contains(part), "`{part}` is not in\n{talk}");
    }
}

#[test]
fn a_port_in_use_is_named_with_the_key_to_change() {
    let shop = Shop::new();
    for name in ["gateway", "mesh", "admin", "hub"] {
        let address = shop.listener(name);
        let taken = TcpListener::bind(&address).unwrap();
        let talk = refused(&shop, &["up"], 4);
        says(&talk, &["error[MP-0002]", &address, &format!("listeners.{name}"), "what to do:"]);
        drop(taken);
    }
    // Two installations that want the same port: the first one does not notice.
    let up = shop.open();
    let elsewhere = tempfile::tempdir().unwrap();
    let talk = refused(&shop, &["up", "--data", elsewhere.path().to_str().unwrap()], 4);
    says(&talk, &["error[MP-0002]", "in use by another program (listeners."]);
    assert_eq!(shop.get("/products").unwrap().status, 200);
    assert_eq!(up.stop().1, Some(0));
}

/// A folder that nobody can write to, root included.
struct ReadOnly<'p>(&'p Path);

impl<'p> ReadOnly<'p> {
    fn mount(path: &'p Path) -> Self {
        std::fs::create_dir_all(path).unwrap();
        for options in [&["--bind"][..], &["-o", "remount,bind,ro"]] {
            let mount = Command::new("mount").args(options).args([path, path]).status().unwrap();
            assert!(mount.success(), "this test mounts a folder, which needs root");
        }
        Self(path)
    }
}

impl Drop for ReadOnly<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[test]
fn a_data_folder_that_cannot_be_written_or_is_in_use_is_named() {
    let shop = Shop::new();
    std::fs::write(shop.path().join("file"), "").unwrap();
    let talk = refused(&shop, &["up", "--data", "file/data"], 5);
    says(&talk, &["error[MP-0003]", "file/data", "--data"]);
    let folder = shop.path().join("fixed");
    {
        let fixed = ReadOnly::mount(&folder);
        let talk = refused(&shop, &["up", "--data", "fixed"], 5);
        says(&talk, &["error[MP-0003]", "fixed", "Read-only", "what to do:"]);
        drop(fixed);
    }
    let up = shop.open();
    // A second one is told who is there; nothing happens to the first one.
    let talk = refused(&shop, &["up"], 6);
    says(&talk, &["error[MP-0004]", ".mamparo", "process ", "what to do:"]);
    // A service started by hand on the files of one that runs is refused as well.
    let data = shop.data().join("orders");
    let hand = ["shop", "orders", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    says(&refused(&shop, &hand, 6), &["error[MP-0004]", "orders.db", "process "]);
    assert_eq!(shop.get("/products").unwrap().status, 200);
    assert_eq!(up.stop().1, Some(0));
}

#[test]
fn a_typo_is_answered_with_its_place_and_what_was_meant() {
    let shop = Shop::new();
    let config = std::fs::read_to_string(shop.path().join("mamparo.yaml")).unwrap();
    for (right, wrong, parts) in [
        ("topics:", "topcis:", &["1: topcis: unknown key", "did you mean `topics`?"][..]),
        ("service: payments, public: true", "servcie: payments, public: true", &["did you mean `service`?"]),
        ("service: payments, public: true", "service: paymets, public: true", &["did you mean `payments`?"]),
        ("service: payments, public: true", "service: payments", &["public: true"]),
        ("version: 1", "version: one", &["3:10: version: expected a whole number"]),
        ("topics:", "topics: [", &["mamparo.yaml:"]),
        ("topics:", "\ttopics:", &["mamparo.yaml:"]),
    ] {
        assert!(config.contains(right));
        let bad = config.replacen(right, wrong, 1);
        std::fs::write(shop.path().join("mamparo.yaml"), &bad).unwrap();
        for verb in [&["check", "mamparo.yaml"][..], &["up"]] {
            let talk = refused(&shop, verb, 3);
            says(&talk, parts);
            says(&talk, &["error[MP-0001]", "mamparo.yaml does not load"]);
            let place = talk.lines().next().unwrap().split(':').skip(1).take(2);
            let place: Vec<usize> = place.map(|number| number.trim().parse().unwrap_or(0)).collect();
            let line = bad.lines().nth(place[0].saturating_sub(1)).unwrap_or_default();
            assert!(place[0] > 0 && place[1] > 0 && place[1] <= line.len() + 1, "{place:?} in\n{talk}");
        }
        assert!(!shop.data().exists(), "nothing is made before the file is right");
    }
    std::fs::write(shop.path().join("mamparo.yaml"), [0xff, 0xfe, 0x00]).unwrap();
    says(&refused(&shop, &["up"], 3), &["error[MP-0001]", "mamparo.yaml"]);
    says(&refused(&shop, &["up", "nothing.yaml"], 3), &["error[MP-0001]", "nothing.yaml"]);
    refused(&shop, &["upp"], 2);
}

#[test]
fn a_file_of_a_newer_program_is_left_alone() {
    let shop = Shop::new();
    let up = shop.open();
    let order = written("POST", "/orders", &[("idempotency-key", "new")], &super::wire::order("ana"));
    let mut wire = Wire::to(&shop);
    wire.send(&order);
    let location = wire.answer().header("location").unwrap().to_owned();
    assert_eq!(super::wire::ended(&shop, &location), "CONFIRMED");
    drop(wire);
    assert_eq!(up.stop().1, Some(0));
    let set = |name: &str, component: &str, by: i64| {
        let conn = rusqlite::Connection::open(shop.data().join(name).join(format!("{name}.db"))).unwrap();
        let sql = "UPDATE mp_schema SET version = version + ?2 WHERE component = ?1";
        assert_eq!(conn.execute(sql, (component, by)).unwrap(), 1);
    };
    for (name, component) in [
        ("orders", "ledger"),
        ("orders", "shop-orders"),
        ("orders", "saga"),
        ("payments", "ledger"),
        ("hub", "hub"),
    ] {
        set(name, component, 1);
        let talk = refused(&shop, &["up"], 7);
        let file = format!("{name}.db");
        says(&talk, &["error[MP-0006]", &file, component, "error[MP-0008]", "what to do:"]);
        set(name, component, -1);
    }
    let _up = shop.open();
    assert_eq!(shop.get_until_answered(&location).body["status"], "CONFIRMED");
}
