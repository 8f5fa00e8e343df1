//! The configuration changes while the gateway serves.

use std::fs;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::services::{Hammer, answering};
use crate::world::{World, eventually, get};

/// Lines for a service at each address and a route to it, in order `/0`, `/1` and so on.
fn lines(addresses: &[std::net::SocketAddr], routes: &str) -> String {
    let services: Vec<String> = addresses
        .iter()
        .enumerate()
        .map(|(number, address)| format!("s{number}: {{address: '{address}'}}"))
        .collect();
    format!("services: {{{}}}\ngateway:\n  routes:\n{routes}", services.join(", "))
}

fn problems(world: &World) -> Value {
    serde_json::from_str(&world.admin("/config/problems").unwrap().1).unwrap()
}

#[test]
fn a_file_that_changes_is_put_in_force_and_a_wrong_route_is_refused_alone() {
    let (one, two) = (answering("one"), answering("two"));
    let world = World::new("  {}");
    let head = fs::read_to_string(world.path().join("mamparo.yaml")).unwrap();
    let write = |routes: &str| {
        let next = world.path().join("next.yaml");
        fs::write(&next, format!("{head}{}", lines(&[one, two], routes))).unwrap();
        fs::rename(next, world.path().join("mamparo.yaml")).unwrap();
    };
    write("  - {match: {path: /a}, service: s0, public: true}\n");
    let up = world.up();
    assert_eq!(get(world.gateway, "/a").unwrap(), (200, "one".into()));
    assert_eq!(get(world.gateway, "/b").unwrap().0, 404);

    write(
        "  - {match: {path: /a}, service: s1, public: true}\n  - {match: {path: /b}, service: s0, public: true}\n",
    );
    up.wait_for_logged("the configuration is in force");
    assert_eq!(get(world.gateway, "/a").unwrap(), (200, "two".into()));
    assert_eq!(get(world.gateway, "/b").unwrap(), (200, "one".into()));
    assert!(world.admin("/config").unwrap().1.contains("\"/b\""));

    // One route was good before, one never was, one is new and good.
    write(
        "  - {match: {path: /a}, service: nobody, public: true}\n  - {match: {path: /c}, service: s9, public: true}\n  \
         - {match: {path: /d}, service: s1, public: true}\n",
    );
    up.wait_for_logged("its last good version stays in force");
    assert_eq!(get(world.gateway, "/a").unwrap(), (200, "two".into()), "the last good version");
    assert_eq!(get(world.gateway, "/b").unwrap().0, 404, "it was taken out of the file");
    assert_eq!(get(world.gateway, "/c").unwrap().0, 404, "it never was good");
    assert_eq!(get(world.gateway, "/d").unwrap(), (200, "two".into()));
    let report = problems(&world);
    assert_eq!((&report["generation"], &report["refused_parts"]), (&3.into(), &2.into()), "{report:#}");
    let first = &report["refused"][0];
    assert_eq!((&first["path"], &first["kept"]), (&"gateway.routes[0].service".into(), &"last-good".into()));
    assert!(first["line"].as_u64().unwrap() > 4 && first["column"].as_u64().unwrap() > 4, "{first}");
    let metrics = world.admin("/metrics").unwrap().1;
    for line in [
        "mamparo_config_generation 3",
        "mamparo_config_refused 2",
        "mamparo_config_last_reload_successful 0",
        "mamparo_config_reloads_total{outcome=\"whole\"} 1",
        "mamparo_config_reloads_total{outcome=\"partly\"} 1",
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line}\n{metrics}");
    }
    assert!(!metrics.contains("route=\"/b\""), "a route that is gone is not shown any more");

    // What is no YAML at all changes nothing.
    fs::write(world.path().join("next.yaml"), "version: [1\n").unwrap();
    fs::rename(world.path().join("next.yaml"), world.path().join("mamparo.yaml")).unwrap();
    up.wait_for_logged("the configuration is refused, nothing has changed");
    assert_eq!(get(world.gateway, "/d").unwrap(), (200, "two".into()));
    assert_eq!(problems(&world)["refused"][0]["kept"], "everything");

    write("  - {match: {path: /a}, service: s0, public: true}\n");
    up.wait_for_logged("the configuration is in force");
    let report = problems(&world);
    assert_eq!((&report["generation"], &report["refused_parts"]), (&4.into(), &0.into()), "{report:#}");
    assert_eq!(get(world.gateway, "/a").unwrap(), (200, "one".into()));
}

#[test]
fn what_cannot_change_while_the_node_runs_is_named() {
    let world = World::new("  {}");
    let node = world.node(&["--role", "gateway", "--no-watch"]);
    let file = world.path().join("mamparo.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let other = text.replace(&world.mesh.to_string(), "127.0.0.1:1").replace("facts", "events");
    fs::write(&file, other + "gateway: {workers: 3, drain: 7s}\n").unwrap();
    node.signal(Signal::HUP);
    node.wait_for_logged("the configuration is in force");
    eventually("the report is there", || problems(&world)["generation"] == 2);
    assert_eq!(
        problems(&world)["needs_restart"],
        serde_json::json!(["listeners", "gateway.workers", "topics"])
    );
    let config = world.admin("/config").unwrap().1;
    assert!(config.contains(&world.mesh.to_string()) && config.contains("\"drain\": \"7s\""), "{config}");
}

#[test]
fn a_breaker_and_a_quota_remember_what_they_saw_when_the_file_changes() {
    let one = answering("one");
    let world = World::new("  {}");
    let head = fs::read_to_string(world.path().join("mamparo.yaml")).unwrap();
    let write = |burst: u32, more: &str| {
        let routes = format!(
            "  - {{match: {{path: /a}}, service: s0, public: true, policies: {{rate_limit: {{rate: 1, per: 1h, \
             burst: {burst}}}}}}}\n{more}"
        );
        fs::write(world.path().join("mamparo.yaml"), format!("{head}{}", lines(&[one], &routes))).unwrap();
    };
    write(2, "");
    let node = world.node(&["--role", "gateway", "--no-watch"]);
    let status = || get(world.gateway, "/a").unwrap().0;
    assert_eq!([status(), status(), status()], [200, 200, 429]);
    write(2, "  - {match: {path: /b}, service: s0, public: true}\n");
    node.signal(Signal::HUP);
    node.wait_for_logged("the configuration is in force");
    assert_eq!(get(world.gateway, "/b").unwrap().0, 200);
    assert_eq!(status(), 429, "an unchanged quota is not full again");
    assert!(world.admin("/metrics").unwrap().1.contains(
        "mamparo_policy_verdicts_total{target=\"/a\",policy=\"rate-limit\",verdict=\"admitted\"} 2"
    ));
}

#[test]
fn what_a_client_has_asked_for_is_remembered_and_the_machine_is_watched_when_the_file_changes() {
    let one = answering("one");
    let world = World::new("  {}");
    let head = fs::read_to_string(world.path().join("mamparo.yaml")).unwrap();
    let write = |rate: u32, more: &str| {
        let routes = format!(
            "  - {{match: {{path: /a}}, service: s0, public: true, hedge: {{}}, policies: {{shed: {{}}}}, rate_limits: \
             [{{by: address, rate: {rate}, per: 1h, burst: 2}}, {{by: 'header:x-key', rate: 100}}]}}\n"
        );
        let text = format!("{head}{}{more}", lines(&[one], &routes));
        fs::write(world.path().join("mamparo.yaml"), text).unwrap();
    };
    write(1, "  guard: {memory: 1.0}\n");
    let node = world.node(&["--role", "gateway", "--no-watch"]);
    let status = || get(world.gateway, "/a").unwrap().0;
    assert_eq!([status(), status(), status()], [200, 200, 429]);
    write(2, "  guard: {memory: 0.99}\n");
    node.signal(Signal::HUP);
    node.wait_for_logged("the configuration is in force");
    assert_eq!(status(), 429, "what was taken stays taken");
    let metrics = world.admin("/metrics").unwrap().1;
    for line in [
        "mamparo_keyed_rate_limit_verdicts_total{target=\"/a\",by=\"address\",verdict=\"admitted\"} 2",
        "mamparo_keyed_rate_limit_verdicts_total{target=\"/a\",by=\"address\",verdict=\"refused\"} 2",
        "mamparo_keyed_rate_limit_verdicts_total{target=\"/a\",by=\"header:x-key\",verdict=\"admitted\"} 2",
        "mamparo_policy_verdicts_total{target=\"/a\",policy=\"shed\",verdict=\"admitted\"} 2",
    ] {
        assert!(metrics.lines().any(|other| other.starts_with(line)), "{line}\n{metrics}");
    }
    // Without the guard nothing would say when to shed: the route does not hold any more.
    write(2, "");
    node.signal(Signal::HUP);
    node.wait_for_logged("it is left out");
    assert_eq!(status(), 404);
}

#[test]
fn ten_reloads_a_second_under_load_lose_no_request() {
    let (one, two) = (answering("one"), answering("two"));
    let world = World::new("  {}");
    let head = fs::read_to_string(world.path().join("mamparo.yaml")).unwrap();
    let write = |service: usize| {
        let mut routes = format!("  - {{match: {{path: /a}}, service: s{service}, public: true}}\n");
        for number in 0..50 {
            routes.push_str(&format!("  - {{match: {{path: /r{number}}}, service: s0, public: true}}\n"));
        }
        let next = world.path().join("next.yaml");
        fs::write(&next, format!("{head}{}", lines(&[one, two], &routes))).unwrap();
        fs::rename(next, world.path().join("mamparo.yaml")).unwrap();
    };
    write(0);
    let node = world.node(&["--role", "gateway"]);
    let hammer = Hammer::start(world.gateway, "/a", 8);
    for number in 0..30 {
        let before = hammer.asked();
        write((number + 1) % 2);
        node.signal(Signal::HUP);
        eventually("requests go on", || hammer.asked() > before);
        // The rate is what this test is about.
        thread::sleep(Duration::from_millis(100));
    }
    let (answered, wrong) = hammer.stop();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(answered > 100, "{answered}");
    let generation = problems(&world)["generation"].as_u64().unwrap();
    assert!(generation > 10, "only {generation} versions came in force");
    let metrics = world.admin("/metrics").unwrap().1;
    let counted = format!("mamparo_proxy_requests_total{{route=\"/a\",status=\"2xx\"}} {answered}");
    assert!(metrics.lines().any(|line| line == counted), "{counted}\n{metrics}");
}
