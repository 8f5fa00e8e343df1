//! The released program in processes of its own: found, given a folder and ports, started, looked at, stopped.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mamparo_context::Clock;
use rustix::process::{Pid, Signal, kill_process};

/// Longer than a start may take, on a machine however busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a process that starts is asked whether it is ready.
const PROBE_EVERY: Duration = Duration::from_millis(1);
/// The last words of the banner, which `up` prints when everything it started is ready.
const LAST_WORDS: &str = "ctrl-c stops everything";

/// The program that is measured is not there.
#[derive(Debug)]
pub(crate) struct Missing(PathBuf);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is not there: run `cargo build --release -p mamparo` first", self.0.display())
    }
}

/// The program `mamparo` beside this one.
///
/// # Errors
/// It is not there.
pub(crate) fn program() -> Result<PathBuf, Missing> {
    let program = std::env::current_exe().unwrap().with_file_name("mamparo");
    if program.is_file() { Ok(program) } else { Err(Missing(program)) }
}

/// An empty folder with a configuration, whose ports were free a moment ago.
pub(crate) struct World {
    folder: PathBuf,
    program: PathBuf,
    pub(crate) gateway: SocketAddr,
    pub(crate) hub: SocketAddr,
    admin: SocketAddr,
}

impl World {
    /// A world in the new folder `folder`, whose configuration ends with `rest`.
    pub(crate) fn new(program: &Path, folder: PathBuf, rest: &str) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let sockets = [0; 4].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let [gateway, mesh, admin, hub] = sockets.map(|socket| socket.local_addr().unwrap());
        let text = format!(
            "version: 1\nlisteners: {{gateway: '{gateway}', mesh: '{mesh}', admin: '{admin}', hub: '{hub}'}}\n{rest}"
        );
        fs::write(folder.join("mamparo.yaml"), text).unwrap();
        Self { folder, program: program.to_owned(), gateway, hub, admin }
    }

    /// A world with the shop of the repository.
    pub(crate) fn shop(program: &Path, folder: PathBuf) -> Self {
        let (_, rest) = include_str!("../../../mamparo.yaml").split_once("\ngateway:\n").unwrap();
        Self::new(program, folder, &format!("gateway:\n{rest}"))
    }

    /// Where a service of the shop listens, as the supervisor chose it.
    pub(crate) fn address_of(&self, service: &str) -> String {
        let text = fs::read(self.folder.join(".mamparo/run/addresses.json")).unwrap();
        let addresses: serde_json::Value = serde_json::from_slice(&text).unwrap();
        addresses[service].as_str().unwrap().to_owned()
    }

    /// Starts the program. What it logs goes to a file, as JSON.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let log = File::create(self.folder.join("log")).unwrap();
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(&self.folder).env_remove("MAMPARO_RUN").env_remove("MAMPARO_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let (clock, admin) = (Clock::system(), self.admin);
        let started = clock.now();
        Running { child: command.spawn().unwrap(), clock, started, admin, log: self.folder.join("log") }
    }
}

/// A process that was started, with all that it started; killed when dropped.
pub(crate) struct Running {
    child: Child,
    clock: Clock,
    started: Instant,
    admin: SocketAddr,
    log: PathBuf,
}

impl Running {
    /// Waits until the platform node answers that it is ready; how long that took since the start.
    pub(crate) fn wait_ready(&self) -> Duration {
        loop {
            let is_ready = ask_ready(self.admin).is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"));
            let took = self.clock.now() - self.started;
            if is_ready {
                return took;
            }
            assert!(took < PATIENCE, "never ready: {}", self.last_words());
            std::thread::sleep(PROBE_EVERY);
        }
    }

    /// Waits until `up` says that everything is ready; how long that took since the start.
    pub(crate) fn wait_all_ready(&mut self) -> Duration {
        let mut lines = BufReader::new(self.child.stdout.take().unwrap()).lines();
        let is_ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains(LAST_WORDS));
        let took = self.clock.now() - self.started;
        assert!(is_ready, "ended before it was ready: {}", self.last_words());
        // Whoever writes on must not be stopped by a pipe that nobody reads.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        took
    }

    /// Itself, what it started, and what those started.
    pub(crate) fn tree(&self) -> Vec<Process> {
        Process(self.child.id()).tree()
    }

    /// The platform node of it.
    pub(crate) fn node(&self) -> Process {
        self.tree().into_iter().find(|process| process.name() == "node").unwrap()
    }

    /// Lets it end in order.
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success(), "it did not end well: {}", self.last_words());
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already where it was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One process, looked at from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(u32);

impl Process {
    /// This process itself.
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    /// The process that was started as `child`.
    pub(crate) fn of(child: &Child) -> Self {
        Self(child.id())
    }

    /// Itself, what it started, and what those started.
    pub(crate) fn tree(self) -> Vec<Self> {
        let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| {
                let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
                Some((pid, stat(pid, 1)?.try_into().ok()?))
            })
            .collect();
        let mut tree = vec![self.0];
        let mut next = 0;
        while let Some(parent) = tree.get(next).copied() {
            tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| pid));
            next += 1;
        }
        tree.into_iter().map(Self).collect()
    }

    /// What it does, by its command line.
    pub(crate) fn name(self) -> String {
        let line = fs::read_to_string(format!("/proc/{}/cmdline", self.0)).unwrap_or_default();
        let words: Vec<&str> = line.split('\0').collect();
        match words.get(1..) {
            Some(["run", ..]) => "node".to_owned(),
            Some(["up", ..]) => "supervisor".to_owned(),
            Some(["shop", service, ..]) => (*service).to_owned(),
            _ => words.first().copied().unwrap_or_default().to_owned(),
        }
    }

    /// The time that it has spent on a processor, in user and kernel.
    pub(crate) fn cpu(self) -> Duration {
        let ticks = stat(self.0, 11).unwrap_or(0) + stat(self.0, 12).unwrap_or(0);
        Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// The same to the nanosecond, of the threads that are there now.
    pub(crate) fn cpu_of_threads(self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.0)).into_iter().flatten().flatten();
        let ran = threads.filter_map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(ran.sum())
    }

    /// Sends it a signal.
    pub(crate) fn signal(self, signal: Signal) {
        // It may have ended by itself.
        let _ = Pid::from_raw(self.0.cast_signed()).map(|pid| kill_process(pid, signal));
    }

    /// Megabytes (of a million bytes) of it that are in memory.
    pub(crate) fn resident_mb(self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or(f64::NAN);
        kib * 1024.0 / 1e6
    }
}

/// A field of `/proc/<pid>/stat`, counted from the one after the name of the program.
fn stat(pid: u32, field: usize) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.split(' ').nth(field)?.parse().ok()
}

fn ask_ready(admin: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(admin)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
