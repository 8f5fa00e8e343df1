//! Everything changes while everything is in use: the file ten times a second, then the process. No request fails, no
//! connection breaks under one, and what is spoken on a WebSocket goes on.

use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::Signal;

use super::node::Gateway;
use super::peers::{Keeper, Nginx, is_installed, server};
use crate::shop::Patience;

const SHOWS: &str =
    "a file that changes ten times a second and another process were not shown to lose nothing under load";
/// Between two versions of the file: ten of them in a second are what is shown.
const PAUSE: Duration = Duration::from_millis(100);
const VERSIONS: usize = 40;
/// Longer than connections that rest are kept after another process has taken over, and then closed.
const LONG: Duration = Duration::from_secs(9);

/// h2load in rounds, until it is told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    rounds: JoinHandle<Vec<String>>,
}

impl Load {
    fn start(arguments: &[&str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let stopped = Arc::clone(&stop);
        let rounds = thread::spawn(move || {
            let mut said = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let Output { status, stdout, .. } =
                    Command::new("timeout").arg("60").arg("h2load").args(&arguments).output().unwrap();
                said.push(format!("{status}: {}", String::from_utf8_lossy(&stdout)));
            }
            said
        });
        Self { stop, rounds }
    }

    /// Ends after the round that runs: how many requests were answered.
    #[track_caller]
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = 0;
        for round in self.rounds.join().unwrap() {
            let counts = round.lines().find_map(|line| line.strip_prefix("requests: ")).expect(&round);
            let count = |what: &str| {
                let of = counts.split(", ").find_map(|part| part.strip_suffix(what)).expect(&round);
                of.trim().parse::<u64>().unwrap()
            };
            let codes = round.lines().find_map(|line| line.strip_prefix("status codes: ")).expect(&round);
            assert!(codes.ends_with("0 3xx, 0 4xx, 0 5xx"), "{round}");
            assert_eq!((count("failed"), count("errored"), count("timeout")), (0, 0, 0), "{round}");
            all += count("succeeded");
        }
        all
    }
}

/// The rest of `gateway:` in version `number`: the routes in use stay, others come, go and change.
fn version(number: usize) -> String {
    let mut text = format!(
        "  upgrade_drain: 2m\n  limits: {{body: {}MiB, tunnel_idle: 60s}}\n  routes:\n  \
         - {{match: {{path: /}}, service: files, public: true}}\n  \
         - {{match: {{path: /echo}}, service: chat, public: true, timeout: {}s}}\n  \
         - {{match: {{path: /test.Calls}}, service: calls, public: true}}\n",
        1 + number % 7,
        2 + number % 3,
    );
    for other in number..number + 20 {
        text.push_str(&format!("  - {{match: {{path: /r{other}}}, service: files, public: true}}\n"));
    }
    text
}

#[test]
fn a_file_that_changes_ten_times_a_second_and_another_process_cost_no_request_and_no_websocket() {
    if !is_installed("h2load", SHOWS) {
        return;
    }
    let Some(nginx) = Nginx::start("60s", SHOWS) else { return };
    let Some(chat) = server("websocket_service.py", &[], SHOWS) else { return };
    let Some(calls) = server("grpc_service.py", &[], SHOWS) else { return };
    let mut gateway = Gateway::start(
        &format!(
            "{{files: {{address: '{}'}}, chat: {{address: '{}'}}, calls: {{address: '{}', protocol: http2}}}}",
            nginx.http1, chat.said, calls.said
        ),
        &version(0),
    );
    let (plain, tls, authority) =
        (gateway.plain.clone(), gateway.tls.clone(), gateway.authority().display().to_string());
    let sockets = [
        Keeper::start("keep_websockets.py", &[&plain, "", "8"], SHOWS),
        Keeper::start("keep_websockets.py", &[&tls, &authority, "4"], SHOWS),
        Keeper::start("keep_stream.py", &[&plain], SHOWS),
    ];
    let callers = [
        Keeper::start("keep_calling.py", &[&plain, "", "4"], SHOWS),
        Keeper::start("keep_calling.py", &[&tls, &authority, "2"], SHOWS),
    ];
    // A wheel that is missing was noted.
    let Some(mut sockets) = sockets.into_iter().collect::<Option<Vec<_>>>() else { return };
    let Some(mut callers) = callers.into_iter().collect::<Option<Vec<_>>>() else { return };
    let (http, https) = (format!("http://{plain}/ok"), format!("https://{tls}/ok"));
    let loads = [
        Load::start(&["--h1", "-D", "4", "-c", "6", &http]),
        Load::start(&["--h1", "-D", "4", "-c", "2", &https]),
        Load::start(&["-p", "h2c", "-D", "4", "-c", "2", "-m", "8", &http]),
        Load::start(&["-D", "4", "-c", "2", "-m", "8", &https]),
    ];

    for number in 1..=VERSIONS {
        gateway.rewrite(&version(number));
        gateway.read_again();
        thread::sleep(PAUSE);
    }
    gateway.await_metric("mamparo_config_generation", |own| own > VERSIONS as u64 / 2);
    all_go_on(&mut sockets, &mut callers);

    let heir = gateway.upgrade();
    let upgraded = Patience::begin();
    all_go_on(&mut sockets, &mut callers);
    // Connections that rest are closed meanwhile, and the file changes on for the new process.
    for number in VERSIONS..2 * VERSIONS {
        gateway.rewrite(&version(number));
        heir.signal(Signal::HUP);
        thread::sleep(PAUSE);
    }
    gateway.await_metric("mamparo_config_generation", |own| own > VERSIONS as u64 / 2);
    while upgraded.elapsed() < LONG {
        all_go_on(&mut sockets, &mut callers);
    }
    assert!(!gateway.has_ended(), "WebSockets live in it\n{}", gateway.log());

    let answered: Vec<u64> = loads.into_iter().map(Load::stop).collect();
    assert!(answered.iter().all(|answered| *answered > 200), "{answered:?}");
    for caller in callers {
        assert_eq!(caller.close(), "all were answered");
    }
    sockets.iter_mut().for_each(|one| one.goes_on(20));
    assert!(!gateway.has_ended(), "WebSockets live in it\n{}", gateway.log());
    for one in sockets {
        assert_eq!(one.close(), "closed in good order");
    }
    gateway.ends();
    gateway.await_metric("mamparo_proxy_connections", |own| own == 0);
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}

#[test]
fn a_websocket_that_does_not_end_keeps_the_old_process_for_as_long_as_the_file_says() {
    let Some(chat) = server("websocket_service.py", &[], SHOWS) else { return };
    let services = format!("{{chat: {{address: '{}'}}}}", chat.said);
    let routes = "  upgrade_drain: 500ms\n  routes: [{match: {path: /}, service: chat, public: true}]\n";
    let mut gateway = Gateway::start(&services, routes);
    let plain = gateway.plain.clone();
    let Some(mut sockets) = Keeper::start("keep_websockets.py", &[&plain, "", "3"], SHOWS) else { return };
    let _heir = gateway.upgrade();
    sockets.goes_on(5);
    gateway.ends();
    assert!(gateway.log().contains("\"cut\":3"), "{}", gateway.log());
}

fn all_go_on(sockets: &mut [Keeper], callers: &mut [Keeper]) {
    sockets.iter_mut().chain(callers).for_each(|one| one.goes_on(20));
}
