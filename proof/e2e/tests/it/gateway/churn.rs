//! Coming and going: clients that vanish at any moment, a service that is killed and started again, and afterwards
//! nothing is left of it. Eight seconds; with `MAMPARO_TEST_LONG` in the environment, sixty.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use mamparo_context::Random;

use super::node::Gateway;
use super::peers::server;
use super::raw::Raw;
use crate::shop::{Patience, free_port};

const SHOWS: &str = "nothing came and went at the gateway";
const CLIENTS: usize = 48;
/// What may be kept for later, in KiB: buffers of the allocator.
const KEPT_MAX: usize = 24 * 1024;

/// What is asked; most of it does not end well.
const PATHS: &[&str] = &[
    "/ok",
    "/pause",
    "/drip",
    "/endless",
    "/silence",
    "/silence-in-body",
    "/reset",
    "/close-in-body",
    "/chunks",
];

fn time() -> Duration {
    Duration::from_secs(if std::env::var_os("MAMPARO_TEST_LONG").is_some() { 60 } else { 8 })
}

fn come_and_go(address: &str, random: &Random) {
    let path = PATHS[random.below(PATHS.len() as u64) as usize];
    let mut client = Raw::to(address);
    let whole = match random.below(3) {
        0 => format!("GET {path} HTTP/1.1\r\nhost: it.test\r\n\r\n"),
        1 => format!(
            "POST {path} HTTP/1.1\r\nhost: it.test\r\ncontent-length: 20000\r\n\r\n{}",
            "x".repeat(20000)
        ),
        _ => format!(
            "POST {path} HTTP/1.1\r\nhost: it.test\r\ntransfer-encoding: chunked\r\n\r\n1000\r\n{}\r\n0\r\n\r\n",
            "x".repeat(4096)
        ),
    };
    let cut = random.below(whole.len() as u64 * 3) as usize;
    client.send(whole.as_bytes().get(..cut).unwrap_or(whole.as_bytes()));
    if random.below(2) == 0 && path == "/ok" && cut >= whole.len() {
        let _ = client.answer();
    }
    thread::sleep(Duration::from_millis(random.below(30)));
    if random.below(2) == 0 {
        client.reset();
    }
}

fn crowd(gateway: &Gateway, random: &Random, time: Duration) -> usize {
    let count = AtomicUsize::new(0);
    thread::scope(|threads| {
        for _ in 0..CLIENTS {
            let (count, random) = (&count, Random::seeded(random.next_u64()));
            threads.spawn(move || {
                let patience = Patience::begin();
                while patience.elapsed() < time {
                    come_and_go(&gateway.plain, &random);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    count.into_inner()
}

#[test]
fn nothing_is_left_of_clients_and_services_that_come_and_go() {
    let port = free_port().to_string();
    let Some(first) = server("service.py", &[&port], SHOWS) else { return };
    let gateway = Gateway::start(
        &format!("{{it: {{address: '127.0.0.1:{port}'}}}}"),
        "  limits: {header_time: 2s, body_idle: 1s, idle: 2s}\n  routes:\n  \
         - {match: {path: /}, service: it, public: true, timeout: 2s, answer_timeout: 1s, \
         retry: {attempts: 2}, policies: {bulkhead: {calls: 64, queue: 64, wait: 100ms}, \
         adaptive: {max: 500}}}\n",
    );
    let random = Random::system();
    let descriptors = gateway.descriptors();
    // The allocator keeps what it once had: what counts is what comes after.
    crowd(&gateway, &random, Duration::from_secs(2));
    rests(&gateway, descriptors);
    let memory = gateway.memory();
    let (count, _service) = thread::scope(|threads| {
        let crowd = threads.spawn(|| crowd(&gateway, &random, time()));
        let mut service = first;
        while !crowd.is_finished() {
            thread::sleep(Duration::from_millis(700));
            drop(service);
            service = server("service.py", &[&port], SHOWS).expect("it has started before");
        }
        (crowd.join().unwrap(), service)
    });
    rests(&gateway, descriptors);
    let kept = gateway.memory().saturating_sub(memory);
    eprintln!("{count} clients came and went; {kept} KiB more than before");
    assert!(kept < KEPT_MAX, "{kept} KiB are left of {count} clients");
    // And it serves.
    let mut client = Raw::to(&gateway.plain);
    assert!(client.send(b"GET /ok HTTP/1.1\r\nhost: it.test\r\n\r\n"));
    assert_eq!(client.answer(), Some((200, b"ok".to_vec())));
    gateway.stop();
}

#[track_caller]
fn rests(gateway: &Gateway, descriptors: usize) {
    gateway.rests(descriptors + 16);
    for name in ["mamparo_bulkhead_under_way", "mamparo_bulkhead_waiting", "mamparo_adaptive_under_way"] {
        gateway.await_metric(name, |own| own == 0);
    }
}
