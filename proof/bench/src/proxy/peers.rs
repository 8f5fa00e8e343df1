//! The proxies that are compared: where each is found, and what it is told. A file for each holds its configuration.

pub(crate) mod envoy;
pub(crate) mod haproxy;
pub(crate) mod mamparo;
pub(crate) mod nginx;

use std::fs::{self, File, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mamparo_context::Clock;
use rustix::process::Signal;

use super::CORE_OF_PROXY;
use super::tls::Certificate;
use crate::process::Process;

/// Longer than a start may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a process that starts or ends is looked at.
const PROBE_EVERY: Duration = Duration::from_millis(2);

/// What a proxy is asked to do, whoever it is.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Empty, and of this proxy alone; in memory where there is such a place.
    pub(crate) folder: PathBuf,
    pub(crate) listen: SocketAddr,
    /// The service behind it.
    pub(crate) service: SocketAddr,
    pub(crate) way: Way,
}

/// How requests come and go.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// HTTP/1.1 on both sides.
    Plain,
    /// The same, behind what each has of rate limit, retry and breaker.
    Policies,
    /// HTTP/1.1 or HTTP/2 over TLS, HTTP/1.1 to the service.
    Tls(Certificate),
    /// HTTP/2 over TLS, HTTP/2 without TLS to the service.
    Grpc(Certificate),
    /// So many routes to the service, of which the last may lead to another one.
    Routes { count: usize, other: SocketAddr, last_is_other: bool },
}

/// The path of a route of [`Way::Routes`].
pub(crate) fn route(number: usize) -> String {
    format!("/area-{}/service-{number:05}", number % 100)
}

/// One of those that are compared.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// The program, if this machine has it.
    pub(crate) find: fn() -> Option<PathBuf>,
    /// How it is asked for its version.
    version: &'static str,
    /// Writes its configuration, and says the words that follow its name on the command line.
    configure: fn(&Site) -> Result<Vec<String>, &'static str>,
    /// Has it take a configuration that was just written.
    take_over: fn(Process, &Site),
}

/// All of them; ours is the first.
pub(crate) const ALL: [&Peer; 4] = [&mamparo::PEER, &nginx::PEER, &haproxy::PEER, &envoy::PEER];

/// A program on the path, or in a place where programs of the system live.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|folder| folder.join(name)).find(|file| file.is_file())
}

impl Peer {
    /// Its name and version.
    pub(crate) fn title(&self, program: &Path) -> String {
        let output = Command::new(program).arg(self.version).output();
        let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let is_version = |word: &&str| word.split('.').count() >= 3 || word.starts_with("nginx/");
        let version = text
            .split(|c: char| c.is_whitespace() || c == '/')
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && is_version(word));
        format!("{} {}", self.name, version.unwrap_or("?"))
    }

    /// Starts it on the core of proxies and waits until it takes connections.
    ///
    /// # Errors
    /// It cannot do what the site asks, in its own words.
    pub(crate) fn start(&'static self, program: &Path, site: Site) -> Result<Up, String> {
        fs::create_dir_all(&site.folder).unwrap();
        let words = (self.configure)(&site)?;
        let mut command = Command::new("taskset");
        command.args(["-c", &CORE_OF_PROXY.to_string()]).arg(program).args(words);
        command.current_dir(&site.folder).env_remove("MAMPARO_RUN").env_remove("MAMPARO_LOG");
        let append = |name: &str| -> File {
            OpenOptions::new().create(true).append(true).open(site.folder.join(name)).unwrap()
        };
        command.stdin(Stdio::null()).stdout(append("stdout.log")).stderr(append("stderr.log"));
        let child = command.spawn().map_err(|error| format!("taskset: {error}"))?;
        let mut up = Up { peer: self, child, site };
        let clock = Clock::system();
        let start = clock.now();
        while std::net::TcpStream::connect(up.site.listen).is_err() {
            let has_ended = up.child.try_wait().unwrap().is_some();
            if has_ended || clock.now() - start > PATIENCE {
                return Err(up.last_words());
            }
            std::thread::sleep(PROBE_EVERY);
        }
        Ok(up)
    }
}

/// A proxy that runs; ended when dropped.
pub(crate) struct Up {
    pub(crate) peer: &'static Peer,
    child: Child,
    pub(crate) site: Site,
}

impl Up {
    pub(crate) fn name(&self) -> &'static str {
        self.peer.name
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.name() == mamparo::PEER.name
    }

    /// The time that all of it has spent on a processor.
    pub(crate) fn cpu(&self) -> Duration {
        self.processes().into_iter().map(Process::cpu_of_threads).sum()
    }

    /// Megabytes of all of it that are in memory; what two of its processes share counts twice.
    pub(crate) fn resident_mb(&self) -> f64 {
        self.processes().into_iter().map(Process::resident_mb).sum()
    }

    fn processes(&self) -> Vec<Process> {
        Process::of(&self.child).tree()
    }

    /// Writes the configuration for another way, and has it taken over; when that begins.
    pub(crate) fn reconfigure(&mut self, way: Way, clock: &Clock) -> Instant {
        self.site.way = way;
        (self.peer.configure)(&self.site).unwrap();
        let now = clock.now();
        (self.peer.take_over)(Process::of(&self.child), &self.site);
        now
    }

    /// Forgets what it has logged, so that no log outgrows the memory it is kept in.
    pub(crate) fn empty_logs(&self) {
        for entry in fs::read_dir(&self.site.folder).unwrap().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                OpenOptions::new().write(true).open(entry.path()).unwrap().set_len(0).unwrap();
            }
        }
    }

    /// Bytes that it has logged.
    pub(crate) fn logged(&self) -> u64 {
        let entries = fs::read_dir(&self.site.folder).unwrap().flatten();
        let logs = entries.filter(|entry| entry.path().extension().is_some_and(|name| name == "log"));
        // Not its length: whoever does not append goes on behind what was forgotten, and leaves a hole.
        logs.map(|log| log.metadata().unwrap().blocks() * 512).sum()
    }

    /// The last lines that it said.
    pub(crate) fn last_words(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.site.folder.join(name)).unwrap_or_default();
        let text = read("stdout.log") + &read("stderr.log");
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(3).collect();
        lines.join(" / ")
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let processes = self.processes();
        Process::of(&self.child).signal(Signal::TERM);
        let clock = Clock::system();
        let start = clock.now();
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) && clock.now() - start < PATIENCE / 10
        {
            std::thread::sleep(PROBE_EVERY);
        }
        // Whatever did not end by itself; what has is not found.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            processes.into_iter().for_each(|process| process.signal(Signal::KILL));
        }
        let _ = self.child.wait();
    }
}

/// An address whose port was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
