//! The admin socket of a node: what it shows and lets be done.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::services::answering;
use crate::world::{World, ask, ask_socket, eventually, get};

#[test]
fn a_node_shows_how_it_serves_and_does_what_its_owner_wants() {
    let one = answering("one");
    let world = World::new("  {}").with(&format!(
        "services: {{it: {{address: '{one}'}}}}\n\
         gateway: {{workers: 2, drain_delay: 700ms, routes: [{{match: {{path: /a}}, service: it, public: true}}]}}"
    ));
    let node = world.node(&["--role", "gateway", "--no-watch"]);
    let socket = world.data().join("node/admin.sock");
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let ask_node = |method: &str, path: &str, body: &str| -> (u16, Value) {
        let (status, body) = ask_socket(&socket, method, path, body).unwrap();
        (status, serde_json::from_str(&body).unwrap_or(Value::from(body)))
    };
    assert_eq!(get(world.gateway, "/a").unwrap().0, 200);

    let (_, about) = ask_node("GET", "/", "");
    assert_eq!(about["parts"], json!(["node", "config", "metrics", "gateway"]));
    let (_, routes) = ask_node("GET", "/routes", "");
    assert_eq!((&routes["generation"], &routes["routes"][0]["name"]), (&json!(1), &json!("/a")));
    let (_, upstreams) = ask_node("GET", "/upstreams", "");
    assert_eq!((&upstreams[0]["name"], &upstreams[0]["connects"]), (&json!("it"), &json!(1)));
    assert_eq!(upstreams[0]["balance"]["endpoints"][0]["address"], json!(one.to_string()));
    eventually("no connection is left", || ask_node("GET", "/connections", "").1["total"] == 0);
    assert_eq!(ask_node("GET", "/connections", "").1["workers"], json!([0, 0]));
    assert_eq!(ask_node("GET", "/readyz", "").0, 200);
    assert_eq!(ask_node("GET", "/nothing", "").0, 404);
    // The port shows the same, and does nothing.
    let shown: Value = serde_json::from_str(&world.admin("/routes").unwrap().1).unwrap();
    assert_eq!(shown, routes);
    let post = format!("POST /drain HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", world.admin);
    assert_eq!(ask(world.admin, &post).unwrap().0, 405);

    // It is read again although nobody looks after the file, and who asked is told what came of it.
    let file = world.path().join("mamparo.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("path: /a", "path: /b")).unwrap();
    let (status, report) = ask_node("POST", "/reload", "");
    assert_eq!((status, &report["generation"]), (200, &json!(2)), "{report:#}");
    assert_eq!((get(world.gateway, "/a").unwrap().0, get(world.gateway, "/b").unwrap().0), (404, 200));
    fs::write(&file, text.replace("service: it", "service: nobody")).unwrap();
    let (_, report) = ask_node("POST", "/reload", "");
    assert_eq!((&report["last_read"]["verdict"], &report["refused_parts"]), (&json!("partly"), &json!(1)));

    assert_eq!(ask_node("PUT", "/log-level", r#"{"level": "debug"}"#), (200, json!({"level": "debug"})));
    assert_eq!(ask_node("PUT", "/log-level", r#"{"level": "a=b=c"}"#).0, 400);
    assert_eq!(ask_node("PUT", "/log-level", "debug").0, 400);
    fs::write(&file, text.replace("path: /a", "path: /c")).unwrap();
    ask_node("POST", "/reload", "");
    ask_node("POST", "/reload", "");
    node.wait_for_logged("the configuration is read again and says the same");

    assert_eq!(ask_node("POST", "/drain", ""), (200, json!({"draining": true})));
    eventually("it says that it is not ready", || {
        world.admin("/readyz").is_some_and(|(status, _)| status == 503)
    });
    assert_eq!(get(world.gateway, "/c").unwrap().0, 200, "and serves on");
    assert_eq!(node.wait(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_second_node_on_the_same_data_is_refused_and_a_socket_that_was_left_behind_is_replaced() {
    let world = World::new("  {}");
    let node = world.node(&["--role", "gateway"]);
    let ended = world.run(&["run", "--role", "gateway"]);
    assert_eq!(ended.code(), 6, "{}", ended.stderr());
    assert!(ended.stderr().contains("MP-0004"), "{}", ended.stderr());
    node.signal(rustix::process::Signal::KILL);
    assert_eq!(node.wait(), None);
    assert!(world.data().join("node/admin.sock").exists());
    let _again = world.node(&["--role", "gateway"]);
    assert_eq!(ask_socket(&world.data().join("node/admin.sock"), "GET", "/readyz", "").unwrap().0, 200);
}

#[test]
fn a_node_whose_log_nobody_takes_any_more_serves_on() {
    let one = answering("one");
    let world = World::new("  {}").with(&format!(
        "services: {{it: {{address: '{one}'}}}}\n\
         gateway: {{workers: 1, routes: [{{match: {{path: /a}}, service: it, public: true}}]}}"
    ));
    let mut node = world.node(&["--role", "gateway"]);
    node.ignore();
    for number in 0..20 {
        assert_eq!(get(world.gateway, "/a").unwrap(), (200, "one".into()), "request {number}");
    }
    node.signal(rustix::process::Signal::TERM);
    assert_eq!(node.wait(), Some(0));
}
