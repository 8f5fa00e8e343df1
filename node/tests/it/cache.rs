//! `mamparo cache`: what routes keep of answers, looked at and purged from the command line.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use serde_json::Value;

use crate::world::{World, eventually, get};

/// A service whose answers bear the tag of their path and the number of the request.
fn tagged() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            let _ = stream.read_line(&mut line);
            let tag = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
            while line.trim() != "" {
                line.clear();
                let _ = stream.read_line(&mut line);
            }
            let body = number.to_string();
            let _ = write!(
                stream.get_mut(),
                "HTTP/1.1 200 OK\r\ncache-control: max-age=600\r\ncache-tag: {tag}\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}

#[test]
fn what_routes_keep_is_listed_and_purged() {
    let service = tagged();
    let world = World::new("  {}").with(&format!(
        "services: {{it: {{address: '{service}'}}}}\n\
         gateway:\n  workers: 2\n  routes:\n  \
         - {{name: one, match: {{path: /a}}, service: it, public: true, cache: {{}}}}\n  \
         - {{name: two, match: {{path: /b}}, service: it, public: true, cache: {{capacity_bytes: 1000000, object_bytes_max: 1000}}}}\n  \
         - {{match: {{path: /c}}, service: it, public: true}}"
    ));
    let _node = world.node(&["--role", "gateway", "--no-watch"]);
    let ask = |path: &str| get(world.gateway, path).unwrap().1;
    let (a, b) = (ask("/a"), ask("/b"));
    assert_ne!(a, b);
    eventually("both are kept", || {
        let listed: Value = serde_json::from_str(&world.run(&["cache", "list", "--json"]).stdout()).unwrap();
        listed.as_array().unwrap().iter().all(|cache| cache["entries"] == 1)
    });
    assert_eq!((ask("/a"), ask("/b")), (a.clone(), b.clone()));
    let listed = world.run(&["cache", "list"]).stdout();
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..4], ["route", "entries", "bytes", "capacity_bytes"], "{listed}");
    assert_eq!((rows[1][0], rows[1][4], rows[2][0], rows[2][3]), ("one", "1", "two", "1000000"), "{listed}");
    let metrics = world.admin("/metrics").unwrap().1;
    assert!(
        metrics.contains("mamparo_http_cache_requests_total{route=\"one\",result=\"hit\"} 1"),
        "{metrics}"
    );

    let purged = world.run(&["cache", "purge", "--tag", "a"]);
    assert_eq!((purged.code(), purged.stdout()), (0, "purged in the caches of 2 routes\n".into()));
    let second = ask("/a");
    assert_ne!(second, a);
    assert_eq!(ask("/b"), b, "it bears another tag");
    // Of another route nothing is forgotten.
    assert_eq!(world.run(&["cache", "purge", "--all", "--route", "two"]).code(), 0);
    assert_eq!(ask("/a"), second);
    assert_ne!(ask("/b"), b);
    // A version of the configuration that leaves the cache as it is leaves what it keeps.
    let file = world.path().join("mamparo.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("match: {path: /c}", "match: {path: /d}")).unwrap();
    let socket = world.data().join("node/admin.sock");
    assert_eq!(crate::world::ask_socket(&socket, "POST", "/reload", "").unwrap().0, 200);
    assert_eq!(ask("/a"), second);
    let address = format!("http://{}/a", world.gateway);
    assert_eq!(world.run(&["cache", "purge", "--address", &address]).code(), 0);
    assert_ne!(ask("/a"), second);

    let unknown = world.run(&["cache", "purge", "--all", "--route", "three"]);
    assert_ne!(unknown.code(), 0);
    assert!(unknown.stderr().contains("those that do: one, two"), "{}", unknown.stderr());
    assert_eq!(world.run(&["cache", "purge"]).code(), 2, "it must be said what is to be forgotten");
}
