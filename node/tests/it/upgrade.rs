//! Another process takes over while clients hammer.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::services::{Hammer, answering, patient};
use crate::world::{World, eventually, get, is_alive};

/// A process that no test collects; it is stopped with the test.
struct Stray(Pid);

impl Stray {
    fn of(pid: &Value) -> Self {
        Self(Pid::from_raw(pid.as_i64().unwrap().try_into().unwrap()).unwrap())
    }
}

impl Drop for Stray {
    fn drop(&mut self) {
        // It has ended already where a test waited for that.
        let _ = kill_process(self.0, Signal::KILL);
    }
}

fn world(lines: &str) -> World {
    World::new("  {}").with(lines)
}

/// Has the node taken over, and returns the process that serves now.
fn upgrade(world: &World, arguments: &[&str]) -> Stray {
    let arguments: Vec<&str> = ["upgrade", "--json"].iter().chain(arguments).copied().collect();
    let ended = world.run(&arguments);
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    let answer: Value = serde_json::from_str(&ended.stdout()).unwrap();
    assert_ne!(answer["from"], answer["to"]);
    Stray::of(&answer["to"])
}

#[test]
fn another_process_takes_over_and_no_request_fails() {
    let one = answering("one");
    let world = world(&format!(
        "services: {{it: {{address: '{one}'}}}}\ngateway: {{routes: [{{match: {{path: /}}, service: it, public: true}}]}}"
    ));
    let program = world.path().join("mamparo-next");
    symlink(env!("CARGO_BIN_EXE_mamparo"), &program).unwrap();
    let node = world.node(&["--role", "gateway"]);
    let hammer = Hammer::start(world.gateway, "/", 8);
    let first = hammer.asked() + 200;
    eventually("requests are answered", || hammer.asked() > first);
    let second = upgrade(&world, &["--program", program.to_str().unwrap()]);
    assert_eq!(node.wait(), Some(0), "the old process has drained");
    let before = hammer.asked();
    eventually("the new process answers", || hammer.asked() > before + 200);
    // And once more, to the program that lies where the running one lay.
    let third = upgrade(&world, &[]);
    eventually("the second process has drained", || !is_alive(second.0));
    let before = hammer.asked();
    eventually("the third process answers", || hammer.asked() > before + 200);
    let (answered, wrong) = hammer.stop();
    assert!(wrong.is_empty(), "of {answered}: {wrong:?}");
    assert_eq!(world.admin("/readyz").unwrap().0, 200);
    kill_process(third.0, Signal::TERM).unwrap();
    eventually("it stops", || !is_alive(third.0));
    assert!(get(world.gateway, "/").is_none());
}

#[test]
fn what_is_under_way_lives_on_in_the_old_process_while_the_new_one_serves() {
    let (one, (slow, asked, go)) = (answering("one"), patient());
    let world = world(&format!(
        "services: {{it: {{address: '{one}'}}, slow: {{address: '{slow}'}}}}\n\
         gateway: {{drain: 10ms, routes: [{{match: {{path: /}}, service: it, public: true}}, \
         {{match: {{path: /slow}}, service: slow, public: true}}]}}"
    ));
    let node = world.node(&["--role", "gateway"]);
    let gateway = world.gateway;
    let late = thread::spawn(move || get(gateway, "/slow"));
    asked.recv().unwrap();
    node.signal(Signal::USR2);
    node.wait_for_logged("the process before this one leaves");
    eventually("the new process serves its socket", || {
        crate::world::ask_socket(&world.data().join("node/admin.sock"), "GET", "/", "")
            .is_some_and(|(_, about)| !about.contains(&format!("\"pid\":{}", node.pid().as_raw_nonzero())))
    });
    let about = crate::world::ask_socket(&world.data().join("node/admin.sock"), "GET", "/", "").unwrap().1;
    let _next = Stray::of(&serde_json::from_str::<Value>(&about).unwrap()["pid"]);
    assert_eq!(get(gateway, "/").unwrap().0, 200);
    assert!(is_alive(node.pid()), "it has something to finish");
    go.send(()).unwrap();
    assert_eq!(late.join().unwrap().unwrap(), (200, "late".into()));
    assert_eq!(node.wait(), Some(0));
    assert_eq!(get(gateway, "/").unwrap().0, 200);
}

#[test]
fn a_program_that_does_not_get_ready_is_given_up_and_the_old_one_serves_on() {
    let one = answering("one");
    let world = world(&format!(
        "services: {{it: {{address: '{one}'}}}}\ngateway: {{routes: [{{match: {{path: /}}, service: it, public: true}}]}}"
    ));
    let node = world.node(&["--role", "gateway", "--no-watch"]);
    let hammer = Hammer::start(world.gateway, "/", 4);
    let ended = world.run(&["upgrade", "--program", "/bin/false"]);
    assert_eq!(ended.code(), 10, "{}", ended.stderr());
    assert!(ended.stderr().contains("error[MP-0009]"), "{}", ended.stderr());
    node.wait_for_logged("the new program did not get ready, this one serves on");
    assert_eq!(world.run(&["upgrade", "--program", "no-such-program"]).code(), 10);
    // One that does not like the configuration.
    let file = world.path().join("mamparo.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\nrolse: [hub]\n")).unwrap();
    let ended = world.run(&["upgrade"]);
    assert_eq!(ended.code(), 10, "{}", ended.stderr());
    node.wait_for_logged("did you mean `roles`?");
    fs::write(&file, text).unwrap();
    let before = hammer.asked();
    eventually("it serves on", || hammer.asked() > before + 100);
    let _next = upgrade(&world, &[]);
    assert_eq!(node.wait(), Some(0), "and can still be upgraded");
    let (answered, wrong) = hammer.stop();
    assert!(wrong.is_empty(), "of {answered}: {wrong:?}");
}

#[test]
fn a_program_that_never_says_that_it_is_ready_is_killed_after_its_time() {
    let one = answering("one");
    let world = world(&format!(
        "services: {{it: {{address: '{one}'}}}}\n\
         gateway: {{upgrade_ready: 1s, routes: [{{match: {{path: /}}, service: it, public: true}}]}}"
    ));
    let node = world.node(&["--role", "gateway", "--no-watch"]);
    // One that starts and then says nothing.
    let program = world.path().join("silent");
    fs::write(&program, format!("#!/bin/sh\necho $$ > {}/pid\nexec sleep 600\n", world.path().display()))
        .unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
    let hammer = Hammer::start(world.gateway, "/", 4);
    let ended = world.run(&["upgrade", "--program", program.to_str().unwrap()]);
    assert_eq!(ended.code(), 10, "{}", ended.stderr());
    let said = ended.stderr();
    assert!(said.contains("MP-0009") && said.contains("not ready after 1s"), "{said}");
    node.wait_for_logged("the new program did not get ready, this one serves on");
    // On a busy machine it may have been killed before it said who it is.
    let pid = fs::read_to_string(world.path().join("pid")).unwrap_or_default();
    if let Some(pid) = pid.trim().parse().ok().and_then(Pid::from_raw) {
        eventually("it is killed", || !is_alive(pid));
    }
    let state: Value = serde_json::from_str(&world.admin("/upgrade").unwrap().1).unwrap();
    assert_eq!(state["state"], "failed", "{state}");
    let before = hammer.asked();
    eventually("it serves on", || hammer.asked() > before + 100);
    let (answered, wrong) = hammer.stop();
    assert!(wrong.is_empty(), "of {answered}: {wrong:?}");
    // A program that does get ready has longer on a busy machine.
    let file = world.path().join("mamparo.yaml");
    let text = fs::read_to_string(&file).unwrap().replace("upgrade_ready: 1s", "upgrade_ready: 30s");
    fs::write(&file, text).unwrap();
    node.signal(Signal::HUP);
    node.wait_for_logged("the configuration is in force");
    let _next = upgrade(&world, &[]);
    assert_eq!(node.wait(), Some(0), "and can still be upgraded");
}

#[test]
fn a_node_with_a_hub_and_one_that_is_supervised_refuse() {
    let world = World::new("  {}");
    let node = world.node(&["--role", "gateway,hub"]);
    let ended = world.run(&["upgrade"]);
    assert_eq!(ended.code(), 10);
    assert!(ended.stderr().contains("MP-0009") && ended.stderr().contains("ledger"), "{}", ended.stderr());
    node.signal(Signal::TERM);
    assert_eq!(node.wait(), Some(0));
    let up = world.up();
    let ended = world.run(&["upgrade"]);
    assert_eq!(ended.code(), 10);
    assert!(ended.stderr().contains("`mamparo up` keeps this process"), "{}", ended.stderr());
    up.signal(Signal::TERM);
    assert_eq!(up.wait(), Some(0));
}

#[test]
fn sockets_that_systemd_passes_on_are_used() {
    let world = World::new("  {}");
    let held = TcpListener::bind(world.gateway).unwrap();
    let script =
        "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=gateway exec \"$0\" run --role gateway 3<&0 </dev/null";
    let node = world.node_by_shell(script, Stdio::from(OwnedFd::from(held.try_clone().unwrap())));
    assert_eq!(
        get(world.gateway, "/").unwrap().0,
        404,
        "it answers on a socket that it could not have bound"
    );
    let _next = upgrade(&world, &[]);
    assert_eq!(node.wait(), Some(0));
    assert_eq!(get(world.gateway, "/").unwrap().0, 404);
}
