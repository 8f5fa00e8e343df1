//! One process: started, watched, started again, stopped.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use mamparo_context::Clock;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::lines::{self, Mark};
use super::plan::{Probe, Process};
use super::ready;
use super::restart::{HEALTHY, Restart};
use crate::exit_code;
use crate::failure::Failure;

/// How long the last words of a process are listened to.
const LAST_WORDS_TIME: Duration = Duration::from_millis(500);

/// What a process is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Run.
    Run,
    /// Finish what is under way, and end until then.
    Stop(Instant),
    /// End now.
    Kill,
}

/// What the supervisor is told of a process.
#[derive(Debug)]
pub(crate) enum Told {
    /// It is ready for the first time.
    Ready(String),
    /// It cannot run, and starting it again would change nothing.
    Final(Failure),
}

/// Keeps `process` running until it is ordered to stop.
pub(crate) async fn keep(
    process: Process,
    mark: Mark,
    mut orders: watch::Receiver<Order>,
    told: mpsc::Sender<Told>,
    clock: Clock,
) {
    // One that once showed that it can run is started again, however it ends.
    let (mut restart, mut was_ready, mut proven) = (Restart::new(), false, false);
    loop {
        let started = clock.now();
        let end = match start(&process, &mark) {
            Ok((child, last_words)) => {
                let life = Life {
                    process: &process,
                    mark: &mark,
                    told: &told,
                    clock: &clock,
                    was_ready: &mut was_ready,
                };
                let end = life.live(child, &mut orders).await;
                listen_to(last_words).await;
                match end {
                    Some(status) => status,
                    None => return,
                }
            }
            Err(error) => {
                let message = format!("{} cannot be started: {error}", process.name);
                let failure = Failure::process(&process.name, exit_code::FAILURE, message);
                // Nobody is told once the supervisor stops.
                let _ = told.send(Told::Final(failure)).await;
                return;
            }
        };
        let final_code = end.code().filter(|code| exit_code::is_final(*code));
        // Whoever takes connections may not have opened its files yet: an end that is final right after the start
        // stays final.
        proven |= clock.now().duration_since(started) >= HEALTHY || (was_ready && final_code.is_none());
        if let (false, Some(code)) = (proven, final_code) {
            let message = format!("{} cannot run", process.name);
            let exit = u8::try_from(code).unwrap_or(exit_code::FAILURE);
            let _ = told.send(Told::Final(Failure::process(&process.name, exit, message))).await;
            return;
        }
        let pause = restart.ended(started, clock.now());
        mark.talk(&format!("{} {}, started again in {pause:?}", process.name, ended(end)));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = ordered(&mut orders, |order| *order != Order::Run) => return,
        }
    }
}

/// Starts the process, and tasks that hand on what it says.
fn start(process: &Process, mark: &Mark) -> std::io::Result<(Child, JoinSet<()>)> {
    let mut child = Command::new(&process.program)
        .args(&process.arguments)
        .envs(process.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: what a terminal sends to the foreground reaches the supervisor alone.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let mut words = JoinSet::new();
    if let Some(stdout) = child.stdout.take() {
        words.spawn(lines::forward(stdout, mark.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        words.spawn(lines::forward(stderr, mark.clone()));
    }
    Ok((child, words))
}

/// Hears a process out that has ended. One that gave its output to somebody who lives on is not waited for.
async fn listen_to(mut words: JoinSet<()>) {
    let all = async { while words.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_WORDS_TIME, all).await;
}

struct Life<'l> {
    process: &'l Process,
    mark: &'l Mark,
    told: &'l mpsc::Sender<Told>,
    clock: &'l Clock,
    /// Whether it was ready once.
    was_ready: &'l mut bool,
}

impl Life<'_> {
    /// One life of the process; `None` when it was ordered to end.
    async fn live(self, mut child: Child, orders: &mut watch::Receiver<Order>) -> Option<ExitStatus> {
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        // Waiting for a child closes its input; here the open pipe is what keeps it running.
        let pipe = child.stdin.take();
        let ready = ready::wait(self.process.probe);
        tokio::pin!(ready);
        let mut watching = !*self.was_ready;
        loop {
            tokio::select! {
                status = child.wait() => {
                    end_group(pid);
                    return Some(status.unwrap_or_default());
                }
                () = &mut ready, if watching => {
                    watching = false;
                    *self.was_ready = self.process.probe != Probe::Alive;
                    let _ = self.told.send(Told::Ready(self.process.name.clone())).await;
                }
                () = ordered(orders, |order| *order != Order::Run) => break,
            }
        }
        self.stop(&mut child, pid, pipe, orders).await;
        end_group(pid);
        let _ = tokio::time::timeout(Duration::from_secs(1), child.wait()).await;
        None
    }

    /// Lets it end by itself, as long as there is patience.
    async fn stop(
        &self,
        child: &mut Child,
        pid: Option<Pid>,
        pipe: Option<ChildStdin>,
        orders: &mut watch::Receiver<Order>,
    ) {
        let order = *orders.borrow();
        let Order::Stop(by) = order else { return };
        drop(pipe);
        // One that has ended meanwhile needs no signal.
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        let patience = by.saturating_duration_since(self.clock.now()).min(self.process.stop);
        tokio::select! {
            _ = child.wait() => {}
            () = tokio::time::sleep(patience) => {
                self.mark.talk(&format!("{} did not stop in {patience:?} and is killed", self.process.name));
            }
            () = ordered(orders, |order| *order == Order::Kill) => {}
        }
    }
}

/// Kills what is left of the group of a child: nothing that it started outlives it.
fn end_group(pid: Option<Pid>) {
    let _ = pid.map(|pid| kill_process_group(pid, Signal::KILL));
}

/// Waits for such an order; a supervisor that is gone has ordered it.
async fn ordered(orders: &mut watch::Receiver<Order>, such: fn(&Order) -> bool) {
    let _ = orders.wait_for(such).await;
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".into(),
    }
}
