//! The gateway's routes with policies, from the file to the metrics.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::world::{World, eventually, get};

#[test]
fn a_burst_of_connections_waits_while_nobody_takes_them() {
    let world = World::new("  {}");
    let node = world.node(&["--role", "gateway"]);
    node.signal(Signal::STOP);
    // Whoever finds no place in the queue of the kernel comes again after a second.
    let time = Duration::from_millis(500);
    let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let count = most.trim().parse::<usize>().unwrap().min(300);
    let burst: Result<Vec<_>, _> =
        (0..count).map(|_| TcpStream::connect_timeout(&world.gateway, time)).collect();
    node.signal(Signal::CONT);
    assert_eq!(burst.map(|all| all.len()).map_err(|error| error.kind()), Ok(count));
    assert_eq!(get(world.gateway, "/none").unwrap().0, 404);
}

#[test]
fn a_route_with_a_quota_refuses_what_is_beyond_it_and_shows_it() {
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = service.local_addr().unwrap();
    thread::spawn(move || {
        for stream in service.incoming() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                    if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
                        return;
                    }
                }
            });
        }
    });
    let world = World::new("  {}").with(&format!(
        "services: {{it: {{address: '{address}'}}}}\n\
         gateway:\n  routes:\n  - match: {{path: /}}\n    service: it\n    public: true\n    \
         policies: {{rate_limit: {{rate: 1, per: 1h, burst: 2}}, bulkhead: {{calls: 8}}}}"
    ));
    let _up = world.up();
    eventually("the gateway answers", || get(world.gateway, "/none").is_some());
    let statuses: Vec<u16> = (0..2).map(|_| get(world.gateway, "/").unwrap().0).collect();
    let last = get(world.gateway, "/").unwrap();
    assert_eq!((statuses.last(), last.0), (Some(&429), 429));
    assert!(last.1.contains(r#""code":"rate-limited""#), "{}", last.1);
    let metrics = world.admin("/metrics").unwrap().1;
    for line in [
        r#"mamparo_policy_verdicts_total{target="/",policy="rate-limit",verdict="admitted"} 2"#,
        r#"mamparo_bulkhead_under_way{target="/"} 0"#,
    ] {
        assert!(metrics.lines().any(|other| other.starts_with(line)), "{line}\n{metrics}");
    }
}
