//! What a request costs the gateway, beside nginx, HAProxy and Envoy: each with one worker on a processor of its own,
//! the load and the service on another, taking turns in one run. What is compared first is the time on the processor.

mod events;
mod h2load;
mod idle;
mod load;
mod measure;
mod peers;
mod reload;
mod scenario;
mod tls;
mod upstream;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::ValueEnum;
use h2load::Calls;
use load::{Ask, CONNECTIONS};
use measure::{Turns, push, push_rest, rounds, sample};
use peers::{Peer, Site, Up, Way, free_address};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use scenario::Quantity;
pub(crate) use scenario::Scenario;
use tls::Certificate;

use crate::process::{Missing, program};
use crate::report::Report;
use crate::run::Plan;

/// The processor that the proxies have for themselves.
pub(crate) const CORE_OF_PROXY: usize = 0;
/// The one of the load and of the service.
const CORE_OF_LOAD: usize = 1;
/// Where files are memory, on Linux.
const MEMORY: &str = "/dev/shm";
/// Connections over HTTP/2, and requests at the same time on each.
const H2: (usize, usize) = (8, 8);
/// A message of gRPC: not compressed, and 16 bytes.
const MESSAGE: &[u8] = b"\0\0\0\0\x10sixteen bytes.  ";

/// A bench that has begun.
struct Bench<'a> {
    plan: &'a Plan,
    folder: &'a Path,
    /// Who takes part, with name and version.
    peers: Vec<(&'static Peer, PathBuf, String)>,
    report: Report,
    not_done: Vec<String>,
}

/// # Errors
/// The program is not there.
pub(crate) fn bench(plan: &Plan, only: Option<Scenario>) -> Result<Report, Missing> {
    program()?;
    let in_memory = Path::new(MEMORY).is_dir().then(|| tempfile::tempdir_in(MEMORY).unwrap());
    let folder = in_memory.as_ref().map_or(plan.folder.as_path(), |folder| folder.path());
    let mut report = Report::new("proxy");
    describe(&mut report, plan, in_memory.is_some());
    report.condition("pinned", pin());
    raise_open_files();
    let found = |peer: &'static Peer| {
        let program = (peer.find)()?;
        let title = peer.title(&program);
        Some((peer, program, title))
    };
    let peers: Vec<_> = peers::ALL.into_iter().filter_map(found).collect();
    let absent: Vec<&str> = peers::ALL
        .iter()
        .filter(|peer| !peers.iter().any(|(known, ..)| known.name == peer.name))
        .map(|peer| peer.name)
        .collect();
    if !absent.is_empty() {
        report.condition("missing", format!("{} (`--install` has them)", absent.join(", ")));
    }
    let mut bench = Bench { plan, folder, peers, report, not_done: Vec::new() };
    for scenario in Scenario::value_variants() {
        if only.is_none_or(|only| only == *scenario) {
            bench.run(*scenario);
        }
    }
    if !bench.not_done.is_empty() {
        bench.report.condition("not done by", bench.not_done.join("; "));
    }
    Ok(bench.report)
}

fn describe(report: &mut Report, plan: &Plan, in_memory: bool) {
    report.condition(
        "rounds",
        format!("{} of {:?}, forwards and backwards in turn", plan.rounds, plan.seconds),
    );
    report.condition(
        "proxies",
        "one worker each, access log and counters on, X-Request-ID and X-Forwarded-For added",
    );
    report.condition("logs", if in_memory { "files in memory" } else { "files on disk" });
    report.condition("load", format!("{CONNECTIONS} connections, closed loop; over TLS and HTTP/2: h2load"));
    report.condition("service", "answers at once, a thread beside the load; gRPC: hyper");
    report.condition(
        "latency at half load",
        "open loop at half of what the slowest takes, since each request was due",
    );
}

/// Keeps this process, and what it starts, on the processor of the load.
fn pin() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut own = CpuSet::new();
    own.set(CORE_OF_LOAD);
    match sched_setaffinity(None, &own) {
        Ok(()) => format!("proxy to {CORE_OF_PROXY}, load and service to {CORE_OF_LOAD}, of {cores}"),
        Err(error) => format!("only the proxies, to {CORE_OF_PROXY} of {cores} ({error})"),
    }
}

/// Ten thousand connections are as many files.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where it may not be raised, fewer connections are opened, and the report says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

impl Bench<'_> {
    fn run(&mut self, scenario: Scenario) {
        let certificate = match scenario.is_tls() {
            true => match Certificate::make(self.folder) {
                Some(certificate) => Some(certificate),
                None => {
                    return self.not_done.push(format!("{}: nobody, `openssl` is missing", scenario.name()));
                }
            },
            false => None,
        };
        let body = Bytes::from(vec![b'x'; scenario.body()]);
        let message = Bytes::from_static(MESSAGE);
        let service = if scenario == Scenario::Grpc { upstream::grpc(&message) } else { upstream::h1(&body) };
        let other = upstream::h1(&reload::other_body());
        let way = match (scenario, certificate) {
            (Scenario::Grpc, Some(certificate)) => Way::Grpc(certificate),
            (_, Some(certificate)) => Way::Tls(certificate),
            (Scenario::Policies, None) => Way::Policies,
            (Scenario::Reload, None) => Way::Routes { count: reload::ROUTES, other, last_is_other: false },
            (_, None) => Way::Plain,
        };
        let mut ups = self.start(scenario, service, &way);
        match scenario {
            Scenario::Idle => {
                for (up, title) in &ups {
                    idle::measure(&mut self.report, up, title, up.is_ours());
                }
            }
            Scenario::Reload => {
                for (up, title) in &mut ups {
                    let ours = up.is_ours();
                    if let Err(reason) = reload::measure(&mut self.report, up, title, ours, other) {
                        self.not_done.push(format!("reload: {title} ({reason})"));
                    }
                }
            }
            _ => self.compare(scenario, &ups),
        }
    }

    /// Starts everyone who can, and notes who cannot and why.
    fn start(&mut self, scenario: Scenario, service: std::net::SocketAddr, way: &Way) -> Vec<(Up, String)> {
        let mut ups = Vec::new();
        for (peer, program, title) in &self.peers {
            let site = Site {
                folder: self.folder.join(format!("{}-{}", scenario.name(), peer.name)),
                listen: free_address(),
                service,
                way: way.clone(),
            };
            let started = peer.start(program, site).and_then(|up| self.probe(scenario, &up).map(|()| up));
            match started {
                Ok(up) => ups.push((up, title.clone())),
                Err(reason) => self.not_done.push(format!("{}: {title} ({reason})", scenario.name())),
            }
        }
        ups
    }

    /// Whether one request is answered as it should be.
    fn probe(&self, scenario: Scenario, up: &Up) -> Result<(), String> {
        if scenario.is_tls() {
            return self.with_calls(scenario, up, |calls| calls.probe());
        }
        let path = if scenario == Scenario::Reload { peers::route(0) } else { "/".to_owned() };
        let ask = Ask::get(up.site.listen, &path, scenario.body(), scenario == Scenario::Connection);
        let answered = ask.closed(1, |_, so_far| so_far.done + so_far.failed == 0);
        match answered.done {
            0 => Err(format!("one request is not answered with 200 and the body: {}", up.last_words())),
            _ => Ok(()),
        }
    }

    fn with_calls<T>(&self, scenario: Scenario, up: &Up, work: impl FnOnce(Calls<'_>) -> T) -> T {
        let url = format!("https://{}/bench.Bench/Call", up.site.listen);
        let message = self.folder.join("message");
        std::fs::write(&message, MESSAGE).unwrap();
        let is_h1 = scenario == Scenario::Tls;
        let (connections, streams) = if is_h1 { (CONNECTIONS, 1) } else { H2 };
        let message = (scenario == Scenario::Grpc).then_some(message.as_path());
        work(Calls { url: &url, connections, streams, is_h1, message })
    }

    fn compare(&mut self, scenario: Scenario, ups: &[(Up, String)]) {
        let seconds = self.plan.seconds;
        let closes = scenario == Scenario::Connection;
        let ask = |up: &Up| Ask::get(up.site.listen, "/", scenario.body(), closes);
        let full = rounds(self.plan.rounds, ups, |up| match scenario.is_tls() {
            true => self.with_calls(scenario, up, |calls| {
                let log = self.folder.join("h2load.log");
                sample(up, || calls.ask(seconds, &log))
            }),
            false => sample(up, || {
                let clock = mamparo_context::Clock::system();
                let end = clock.now() + seconds;
                ask(up).closed(CONNECTIONS, |now, _| now < end)
            }),
        });
        push(&mut self.report, scenario, Quantity::Cpu, "", &full);
        push(&mut self.report, scenario, Quantity::PerSecond, "", &full);
        if !scenario.is_paced() {
            push(&mut self.report, scenario, Quantity::P50, ", full load", &full);
            push(&mut self.report, scenario, Quantity::P99, ", full load", &full);
            push(&mut self.report, scenario, Quantity::P999, ", full load", &full);
            push_rest(&mut self.report, scenario, &full);
            return;
        }
        let slowest = |turns: &[Turns<'_>]| {
            turns.iter().map(|turn| turn.median(Quantity::PerSecond)).fold(f64::INFINITY, f64::min)
        };
        let rate = slowest(&full) / 2.0;
        let paced =
            rounds(self.plan.rounds, ups, |up| sample(up, || ask(up).paced(CONNECTIONS, rate, seconds)));
        push(&mut self.report, scenario, Quantity::CpuAtPace, &format!(", at {rate:.0}/s"), &paced);
        push(&mut self.report, scenario, Quantity::P50, ", half load", &paced);
        push(&mut self.report, scenario, Quantity::P99, ", half load", &paced);
        push(&mut self.report, scenario, Quantity::P999, ", half load", &paced);
        push_rest(&mut self.report, scenario, &paced);
    }
}
