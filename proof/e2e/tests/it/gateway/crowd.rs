//! Thousands of clients that take their time: each costs little, somebody who behaves is served beside, and they are
//! given up when their time is over.

use super::beside::Beside;
use super::node::Gateway;
use super::peers::Nginx;
use super::raw::{Raw, raise_descriptors};

const SHOWS: &str = "no crowd of slow clients stood before the gateway";
/// What a client that has said half of something may cost, in KiB.
const EACH_MAX: usize = 40;

/// What they say, and then nothing.
const SAID: &[&[u8]] = &[
    b"",
    b"G",
    b"GET /ok HTTP/1.1\r\nhost: it.test\r\nx-half: ",
    b"POST /posted HTTP/1.1\r\nhost: it.test\r\ncontent-length: 1000\r\n\r\nhalf",
    b"GET /ok HTTP/1.1\r\nhost: it.test\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
];

#[test]
fn a_crowd_of_slow_clients_costs_little_and_nobody_else_anything() {
    let descriptors = raise_descriptors();
    // One here and one there for each, and for one in seven one to the service; all of it in two processes.
    let crowd = descriptors.saturating_sub(1000).min(10_000) / 2;
    assert!(crowd >= 2000, "{descriptors} descriptors are too few for a crowd");
    let Some(nginx) = Nginx::start("60s", SHOWS) else { return };
    let gateway = Gateway::start(
        &format!("{{one: {{address: '{}'}}}}", nginx.http1),
        "  limits: {header_time: 20s, body_idle: 20s, idle: 20s, connections: 100000}\n  \
         routes:\n  - {match: {path: /}, service: one, public: true, timeout: 60s}\n",
    );
    let (before, memory) = (gateway.descriptors(), gateway.memory());
    let beside = Beside::asks(format!("http://{}/ok", gateway.plain));
    let clients: Vec<Raw> = (0..crowd)
        .map(|number| {
            let (address, said) = match number % 8 {
                7 => (&gateway.tls, &b"\x16\x03\x01"[..]),
                _ => (&gateway.plain, SAID[number % SAID.len()]),
            };
            let mut client = Raw::to(address);
            client.send(said);
            client
        })
        .collect();
    gateway.await_metric("mamparo_proxy_connections", |own| own >= crowd as u64 * 9 / 10);
    let each = gateway.memory().saturating_sub(memory) as f64 / crowd as f64;
    eprintln!("{crowd} clients, {each:.1} KiB each");
    assert!(each < EACH_MAX as f64, "{each:.1} KiB each");
    assert!(beside.was_served() >= 4);
    // Their time is over: nobody has to go by himself.
    gateway.await_metric("mamparo_proxy_connections", |own| own == 0);
    drop(clients);
    gateway.rests(before + 16);
    gateway.stop();
}
