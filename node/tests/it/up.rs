//! `up`: everything starts, starts again, stops, and nothing stays behind.

use std::time::Duration;

use mamparo_context::Clock;
use rustix::process::{Signal, kill_process};

use crate::world::{World, eventually, get, is_alive};

/// An application that says something and then stays.
const TALKER: &str = "  talker: {command: [sh, -c, 'echo hello from $MAMPARO_NAME; exec sleep 600']}";

#[test]
fn everything_starts_answers_stops_and_goes_on() {
    let world = World::new(TALKER);
    let up = world.up();
    assert_eq!(up.wait_for_logged("hello from"), "talker | hello from talker");
    assert_eq!(world.admin("/readyz").unwrap(), (200, "ready\n".into()));
    assert_eq!(world.admin("/nowhere").unwrap().0, 404);
    let (_, metrics) = world.admin("/metrics").unwrap();
    assert!(metrics.contains("mamparo_queue_ready{queue=\"work\"} 0"), "{metrics}");
    let (_, config) = world.admin("/config").unwrap();
    assert!(config.contains("\"visibility\": \"30s\""), "{config}");
    assert_eq!(get(world.gateway, "/").unwrap().0, 404, "no route, no answer");

    let queues: serde_json::Value =
        serde_json::from_str(&world.run(&["queue", "list", "--json"]).stdout()).unwrap();
    assert_eq!((&queues[0]["name"], &queues[0]["ready"]), (&"work".into(), &0.into()));
    assert!(world.run(&["topic", "list"]).stdout().contains("facts"));
    assert!(world.run(&["outbox", "status", "--service", "hub"]).stdout().contains("hub"));
    assert_eq!(world.run(&["stream", "show", "none"]).code(), 9);
    assert_eq!(world.run(&["dead-letter", "redrive", "7"]).code(), 9);
    assert_eq!(world.run(&["saga", "list"]).code(), 8, "nobody here runs sagas");

    let tree = up.tree();
    assert!(tree.len() >= 4, "node, tether, and what is tethered: {tree:?}");
    up.signal(Signal::TERM);
    assert_eq!(up.wait(), Some(0));
    assert!(tree.into_iter().all(|pid| !is_alive(pid)));
    assert!(world.admin("/readyz").is_none());

    let again = world.up();
    again.signal(Signal::INT);
    assert_eq!(again.wait(), Some(0));
}

#[test]
fn a_second_one_on_the_same_data_is_refused_by_name() {
    let world = World::new("  {}");
    let up = world.up();
    let ended = world.run(&["up"]);
    let talk = ended.stderr();
    assert_eq!(ended.code(), 6, "{talk}");
    let holder = format!("process {}", up.pid().as_raw_nonzero());
    assert!(talk.contains("error[MP-0004]") && talk.contains(&holder), "{talk}");
    let ended = world.run(&["run", "--role", "hub"]);
    assert_eq!(ended.code(), 6, "a node serves there: {}", ended.stderr());
}

#[test]
fn who_ends_is_started_again() {
    let world = World::new(TALKER);
    let up = world.up();
    let node = up.tree().into_iter().find(|pid| {
        let line =
            std::fs::read_to_string(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        line.contains("run\0--role")
    });
    kill_process(node.unwrap(), Signal::KILL).unwrap();
    up.wait_for_logged("node was ended by signal 9, started again in 50ms");
    eventually("the node is ready again", || world.admin("/readyz").is_some_and(|(status, _)| status == 200));
}

#[test]
fn a_killed_supervisor_leaves_nobody_behind_and_the_next_one_goes_on() {
    // An application that knows nothing of pipes and ignores what can be ignored.
    let stubborn =
        "  stubborn: {command: [sh, -c, \"trap '' TERM INT HUP; while :; do sleep 600; done\"], stop: 500ms}";
    let world = World::new(stubborn);
    let up = world.up();
    eventually("its own child runs", || up.tree().len() >= 5);
    let tree = up.tree();
    up.signal(Signal::KILL);
    assert_eq!(up.wait(), None);
    let again = world.up();
    assert!(tree.iter().all(|pid| !is_alive(*pid)), "the next one waits for what the last one started");
    again.signal(Signal::TERM);
    assert_eq!(again.wait(), Some(0));
}

#[test]
fn a_stubborn_application_is_killed_in_time() {
    let stubborn = "  stubborn: {command: [sh, -c, \"trap '' TERM; echo ready; while :; do sleep 600; done\"], stop: 200ms}";
    let world = World::new(stubborn);
    let up = world.up();
    up.wait_for_logged("stubborn | ready");
    let tree = up.tree();
    up.signal(Signal::TERM);
    assert_eq!(up.wait(), Some(0));
    assert!(tree.into_iter().all(|pid| !is_alive(pid)));
}

#[test]
fn everything_ends_within_ten_seconds_whatever_an_application_wants() {
    let stubborn = "  stubborn: {command: [sh, -c, \"trap '' TERM; echo ready; while :; do sleep 600; done\"], stop: 1h}";
    let world = World::new(stubborn);
    let up = world.up();
    up.wait_for_logged("stubborn | ready");
    let clock = Clock::system();
    let began = clock.now();
    up.signal(Signal::TERM);
    assert_eq!(up.wait(), Some(0));
    let took = clock.now().duration_since(began);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_second_signal_kills() {
    let stubborn = "  stubborn: {command: [sh, -c, \"trap '' TERM; echo ready; while :; do sleep 600; done\"], stop: 1h}";
    let world = World::new(stubborn);
    let up = world.up();
    up.wait_for_logged("stubborn | ready");
    up.signal(Signal::TERM);
    up.wait_for_logged("SIGTERM: stopping");
    // Two signals within a moment are one wish.
    std::thread::sleep(Duration::from_millis(400));
    up.signal(Signal::TERM);
    up.wait_for_logged("SIGTERM: killing");
    assert_eq!(up.wait(), Some(0));
}
