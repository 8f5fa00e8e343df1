//! `up`: starts the platform node and the applications as children, starts again who ends, and stops all of them
//! in order. It serves nothing itself, so that no failure of a role can take it down.

mod addresses;
mod banner;
mod folder;
mod lines;
mod plan;
mod printer;
mod process;
mod ready;
mod restart;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) use addresses::{Addresses, bind, read as read_addresses};
use folder::Folder;
pub(crate) use folder::prepare;
use lines::Mark;
use mamparo_config::Config;
use mamparo_context::{Clock, Random};
use plan::{Group, Process};
use printer::Printer;
use process::{Order, Told};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::failure::{Failure, Outcome};
use crate::output;

/// How long everything may take to stop.
const STOP_TIME: Duration = Duration::from_millis(9_500);
/// Signals closer together than this are one.
const ONE_WISH: Duration = Duration::from_millis(300);
/// How long the applications may take of it.
const APPLICATIONS_STOP_TIME: Duration = Duration::from_secs(5);

/// Runs what `config` names until a signal comes; `text` is what the file says that it was read from, and `followed`
/// the file itself, if its changes are to be put in force.
pub(crate) async fn run(config: &Config, text: &str, followed: Option<&Path>) -> Outcome {
    let clock = Clock::system();
    let began = clock.now();
    // Listened for from the start, so that no signal finds children that nobody stops.
    let mut signals = Signals::listen(clock.clone()).map_err(Failure::other)?;
    let folder = tokio::select! {
        folder = Folder::claim(&config.data, &clock) => folder?,
        _ = signals.next() => return Ok(()),
    };
    addresses::prove_free(config)?;
    let addresses = addresses::choose(config, &folder.run, &Random::system())?;
    let file = folder.run.join("mamparo.yaml");
    folder::replace(&file, text).map_err(|error| Failure::data_unwritable(&folder.run, error))?;
    let program = std::env::current_exe().map_err(Failure::other)?;
    let file = file.display().to_string();
    let processes = plan::processes(config, &folder, &file, &addresses, &program, followed);
    let (printer, written) = Printer::stderr().map_err(Failure::other)?;
    let mut fleet = Fleet::start(processes, &printer, &clock);
    let ended = loop {
        tokio::select! {
            told = fleet.told.recv() => match told {
                Some(Told::Ready(name)) => {
                    if fleet.waiting.remove(&name) && fleet.waiting.is_empty() {
                        let took = clock.now().duration_since(began);
                        output::data(&banner::text(config, &folder, &addresses, took));
                    }
                }
                Some(Told::Final(failure)) => break Err(failure),
                None => break Err(Failure::other("every process has ended")),
            },
            signal = signals.next() => {
                printer.talk(&format!("{signal}: stopping, once more to kill"));
                break Ok(());
            }
        }
    };
    fleet.stop(&clock, &printer, &mut signals).await;
    printer.talk("everything has stopped");
    drop(printer);
    written.wait();
    ended
}

/// The children.
struct Fleet {
    applications: JoinSet<()>,
    platform: JoinSet<()>,
    application_orders: watch::Sender<Order>,
    platform_orders: watch::Sender<Order>,
    told: mpsc::Receiver<Told>,
    waiting: BTreeSet<String>,
}

impl Fleet {
    fn start(processes: Vec<Process>, printer: &Printer, clock: &Clock) -> Self {
        let (tell, told) = mpsc::channel(16);
        let mut fleet = Self {
            applications: JoinSet::new(),
            platform: JoinSet::new(),
            application_orders: watch::Sender::new(Order::Run),
            platform_orders: watch::Sender::new(Order::Run),
            told,
            waiting: processes.iter().map(|process| process.name.clone()).collect(),
        };
        let width = processes.iter().map(|process| process.name.len()).max().unwrap_or(0);
        for (number, process) in processes.into_iter().enumerate() {
            let mark = Mark::new(&process.name, number, width, printer.clone());
            let (tasks, orders) = match process.group {
                Group::Application => (&mut fleet.applications, &fleet.application_orders),
                Group::Platform => (&mut fleet.platform, &fleet.platform_orders),
            };
            tasks.spawn(process::keep(process, mark, orders.subscribe(), tell.clone(), clock.clone()));
        }
        fleet
    }

    /// Applications first, then the node, whose gateway drains before its hub; a second signal kills what is left.
    async fn stop(mut self, clock: &Clock, printer: &Printer, signals: &mut Signals) {
        let begin = clock.now();
        // Nobody listens for what is told any more, and nobody must wait for that.
        self.told.close();
        self.application_orders.send_replace(Order::Stop(begin + APPLICATIONS_STOP_TIME));
        let kill = tokio::select! {
            () = all(&mut self.applications) => false,
            signal = signals.next() => {
                printer.talk(&format!("{signal}: killing"));
                true
            }
        };
        if kill {
            self.application_orders.send_replace(Order::Kill);
            self.platform_orders.send_replace(Order::Kill);
        } else {
            self.platform_orders.send_replace(Order::Stop(begin + STOP_TIME));
        }
        tokio::select! {
            () = async { all(&mut self.applications).await; all(&mut self.platform).await } => return,
            signal = signals.next() => printer.talk(&format!("{signal}: killing")),
        }
        self.application_orders.send_replace(Order::Kill);
        self.platform_orders.send_replace(Order::Kill);
        all(&mut self.applications).await;
        all(&mut self.platform).await;
    }
}

async fn all(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

/// The signals that stop everything.
struct Signals {
    clock: Clock,
    last: Option<Instant>,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen(clock: Clock) -> io::Result<Self> {
        Ok(Self {
            clock,
            last: None,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next wish to stop. Whoever signals a process and then its group means it once.
    async fn next(&mut self) -> &'static str {
        loop {
            let signal = tokio::select! {
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
                _ = self.hangup.recv() => "SIGHUP",
            };
            let now = self.clock.now();
            let last = self.last.replace(now);
            if last.is_none_or(|last| now.duration_since(last) > ONE_WISH) {
                return signal;
            }
        }
    }
}
