//! A disk that is full for a while: orders are refused in good form, every process lives, what was acknowledged is
//! there, and when there is space again everything goes on by itself.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::wire::{ask, deposit, ended, eventually, order, orders_of, written};
use crate::plan::Victim;
use crate::shop::Shop;

/// A small file system of our own, in a mount that vanishes with the test.
struct SmallDisk<'p>(&'p Path);

impl<'p> SmallDisk<'p> {
    fn mount(path: &'p Path) -> Self {
        fs::create_dir_all(path).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "mamparo-test"]).arg(path).status();
        assert!(mounted.unwrap().success(), "this test mounts a small tmpfs, which needs root");
        Self(path)
    }

    /// Takes all the space that there is.
    fn fill(&self) {
        let mut ballast = File::options().create(true).append(true).open(self.0.join("ballast")).unwrap();
        for piece in [64 * 1024, 4096, 1] {
            while ballast.write_all(&vec![1; piece]).is_ok() {}
        }
    }

    fn relieve(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let shop = Shop::new();
    let data = shop.data();
    let disk = SmallDisk::mount(&data);
    let up = shop.open();
    let everybody = [Victim::Platform, Victim::Orders, Victim::Payments, Victim::Inventory, Victim::Provider];
    let pids = everybody.map(|one| up.find(one).unwrap());
    deposit(&shop, "full", 100_000_000_000);
    let mut accepted = Vec::new();
    let place = |number: usize| {
        ask(
            &shop,
            written("POST", "/orders", &[("idempotency-key", &format!("full-{number}"))], &order("full")),
        )
    };
    for round in 0..2 {
        disk.fill();
        let mut refused = 0;
        // What a file has already got is still written; then every order is refused, again and again.
        for number in 0.. {
            let answer = place(round * 100_000 + number);
            match answer.status {
                202 => accepted.push(answer.header("location").unwrap().to_owned()),
                503 => {
                    answer.is_problem(503, "unavailable");
                    refused += 1;
                }
                _ => panic!("{answer:?}\n{}", shop.log()),
            }
            disk.fill();
            if refused == 20 {
                break;
            }
            assert!(number < 5_000, "the disk never fills");
        }
        // What there is can still be looked at.
        assert_eq!(ask(&shop, written("GET", "/products", &[], "")).status, 200);
        assert_eq!(ask(&shop, written("GET", "/stock/mate", &[], "")).status, 200);
        assert_eq!(everybody.map(|one| up.find(one).unwrap()), pids, "somebody died of it\n{}", shop.log());

        disk.relieve();
        let mut last = None;
        eventually(&shop, "orders are accepted again", || {
            let answer = place(round * 100_000 + 50_000);
            let is_accepted = answer.status == 202;
            last = answer.header("location").map(str::to_owned);
            std::thread::sleep(Duration::from_millis(20));
            is_accepted
        });
        accepted.push(last.unwrap());
    }
    // Who is killed while there is no space comes back when there is.
    disk.fill();
    for victim in [Victim::Orders, Victim::Payments] {
        up.kill(victim);
    }
    eventually(&shop, "both were started again", || {
        [Victim::Orders, Victim::Payments]
            .iter()
            .all(|one| up.find(*one).is_some_and(|pid| !pids.contains(&pid)))
    });
    let between = place(900_000);
    assert!(matches!(between.status, 202 | 503), "{between:?}");
    disk.relieve();
    let body = serde_json::from_str(&order("full")).unwrap();
    let again = shop.post_until_answered("/orders", "full-900000", &body);
    assert_eq!(again.status, 202, "{}", again.body);
    accepted.push(again.location.unwrap());
    for location in &accepted {
        assert_eq!(ended(&shop, location), "CONFIRMED", "{location}\n{}", shop.log());
    }
    assert_eq!(orders_of(&shop, "full"), accepted.len().min(500));
    let wallet = shop.get_until_answered("/wallets/full").body;
    let spent = i64::try_from(accepted.len()).unwrap() * 1_250_000;
    assert_eq!(wallet["balance"]["amount"], 100_000_000_000 - spent, "{wallet}");
    assert_eq!(up.stop().1, Some(0));
}
