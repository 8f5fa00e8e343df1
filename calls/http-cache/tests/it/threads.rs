//! The cache is shared by threads.

use mamparo_http_cache::{Begin, Fill, HttpCache, Purge, Waited, Waiter};
use tokio::runtime::Builder;

use crate::rig::*;

#[test]
fn what_threads_share_can_be_shared() {
    fn sent<T: Send>() {}
    fn shared<T: Send + Sync>() {}
    shared::<HttpCache>();
    sent::<Fill>();
    sent::<Waiter>();
    sent::<Begin>();
}

#[test]
fn many_threads_get_what_they_asked_for_and_leave_nothing_behind() {
    let rig = rig();
    let worker = |thread: usize| {
        let runtime = Builder::new_current_thread().build().unwrap();
        for round in 0..600 {
            let number = (round * 7 + thread) % 13;
            let ask = get(&format!("/{number}")).with("x-v", if round % 3 == 0 { "1" } else { "2" });
            let body = format!("{number} {}", ask.headers["x-v"].to_str().unwrap());
            let mut waited = Waited::default();
            loop {
                match rig.begin_again(&ask, waited) {
                    Begin::Wait(waiter) => waited = runtime.block_on(waiter),
                    Begin::Hit(hit) => break assert_eq!(hit.body(), &body),
                    Begin::Miss(fill) if round % 17 == 5 => break drop(fill),
                    Begin::Miss(fill) => {
                        let with = [("cache-control", "max-age=60"), ("vary", "x-v")];
                        break assert_eq!(rig.fetch(fill, &ask, |_| answer(200, &with, &body)).body, body);
                    }
                    other => panic!("{other:?}"),
                }
            }
            if round % 29 == thread {
                rig.cache.purge(&Purge::Address(format!("https://shop.example/{number}"))).unwrap();
            }
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || worker(thread));
        }
    });
    let description = rig.cache.describe();
    assert_eq!((description.fills, description.buffered_bytes), (0, 0));
    assert!(description.counts.hits > description.counts.misses);
}
