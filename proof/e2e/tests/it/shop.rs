//! The shop as real processes in a folder of its own, and a client of it that we did not write.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use mamparo_context::Random;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::plan::Victim;

/// Longer than anything may take, on a machine however busy.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(5);

/// The program under test, as `cargo xtask test` names it, or beside this test.
pub(crate) fn program() -> PathBuf {
    let beside = || std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("mamparo");
    let path = std::env::var_os("MAMPARO_TEST_BINARY").map_or_else(beside, PathBuf::from);
    assert!(path.exists(), "{} is missing: run `cargo build -p mamparo` first", path.display());
    path
}

/// Ports that no system hands out to outgoing connections, which could take them before the shop does.
const PORTS: std::ops::Range<u16> = 10_000..20_000;

/// A port that is free, and given to one shop only.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap();
    let random = Random::system();
    loop {
        let offset = random.below(u64::from(PORTS.end - PORTS.start));
        let port = PORTS.start + u16::try_from(offset).unwrap();
        if !given.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            given.insert(port);
            return port;
        }
    }
}

/// The shop in a folder of its own.
pub(crate) struct Shop {
    folder: TempDir,
    gateway: String,
    admin: String,
    agent: ureq::Agent,
}

/// An answer: status, `location` and body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: Value,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports: Vec<String> = (0..4).map(|_| format!("127.0.0.1:{}", free_port())).collect();
        let shop = include_str!("../../../../mamparo.yaml");
        let (head, rest) = shop.split_once("\nlisteners:\n").unwrap();
        let (_, rest) = rest.split_once("\n\n").unwrap();
        let listeners = format!(
            "listeners: {{gateway: '{}', mesh: '{}', admin: '{}', hub: '{}'}}",
            ports[0], ports[1], ports[2], ports[3]
        );
        std::fs::write(folder.path().join("mamparo.yaml"), format!("{head}\n{listeners}\n\n{rest}")).unwrap();
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(20)))
            .http_status_as_error(false)
            .build()
            .into();
        Self { folder, gateway: format!("http://{}", ports[0]), admin: format!("http://{}", ports[2]), agent }
    }

    /// A shop whose configuration differs: what is written `from` there is written `to`.
    pub(crate) fn with(changes: &[(&str, &str)]) -> Self {
        let shop = Self::new();
        shop.change(changes);
        shop
    }

    /// Changes its configuration for the next start.
    pub(crate) fn change(&self, changes: &[(&str, &str)]) {
        let file = self.path().join("mamparo.yaml");
        let mut text = std::fs::read_to_string(&file).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{from} does not stand in\n{text}");
            text = text.replace(from, to);
        }
        std::fs::write(file, text).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join(".mamparo")
    }

    /// Where the gateway listens.
    pub(crate) fn address(&self) -> &str {
        self.gateway.trim_start_matches("http://")
    }

    /// Where the listener of this name listens.
    pub(crate) fn listener(&self, name: &str) -> String {
        let config = std::fs::read_to_string(self.path().join("mamparo.yaml")).unwrap();
        let (_, rest) = config.split_once(&format!("{name}: '")).unwrap();
        rest.split('\'').next().unwrap().to_owned()
    }

    /// Runs a command of the program in this folder to its end, which must come soon: exit code, data and talk.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new("timeout");
        command.arg("20").arg(program()).args(arguments);
        let output = self.here(&mut command).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (data, talk) = (text(&output.stdout), text(&output.stderr));
        assert_ne!(output.status.code(), Some(124), "{arguments:?} does not end: {data}{talk}");
        (output.status.code(), data, talk)
    }

    fn here<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.current_dir(self.path()).env_remove("MAMPARO_RUN").stdin(Stdio::null())
    }

    /// Starts everything, and waits until every service answers.
    pub(crate) fn open(&self) -> Up {
        let mut up = self.up();
        let patience = Patience::begin();
        while !["/products", "/wallets/ana", "/stock/mate"].iter().all(|path| self.is_there(path)) {
            let ended = up.0.try_wait().unwrap();
            assert!(ended.is_none() && patience.is_left(), "{ended:?}\n{}", self.log());
            std::thread::sleep(PAUSE);
        }
        up
    }

    /// Starts everything; the shop answers soon.
    pub(crate) fn up(&self) -> Up {
        let log =
            std::fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(program());
        let command = self.here(command.arg("up"));
        Up(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    /// What the platform node counts.
    pub(crate) fn metrics(&self) -> String {
        let mut answer = self.agent.get(format!("{}/metrics", self.admin)).call().unwrap();
        answer.body_mut().read_to_string().unwrap()
    }

    /// How everything stands, and the end of what the processes have said: for whoever must find out what is wrong.
    pub(crate) fn log(&self) -> String {
        let mut story = String::new();
        for ask in [&["queue", "list"][..], &["outbox", "status"], &["timer", "list"], &["saga", "list"]] {
            let asked = Command::new(program()).args(ask).arg("--data").arg(self.data()).output();
            let said = asked.map_or_else(
                |error| error.to_string(),
                |said| String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned(),
            );
            story.push_str(&format!("mamparo {}\n{said}\n", ask.join(" ")));
        }
        let log = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().filter(|line| !line.contains("\"target\":\"access\"")).collect();
        story + &lines[lines.len().saturating_sub(100)..].join("\n")
    }

    pub(crate) fn get(&self, path: &str) -> Result<Answer, ureq::Error> {
        read(self.agent.get(format!("{}{path}", self.gateway)).call()?)
    }

    pub(crate) fn post(&self, path: &str, key: &str, body: &Value) -> Result<Answer, ureq::Error> {
        let request = self.agent.post(format!("{}{path}", self.gateway)).header("idempotency-key", key);
        read(request.send_json(body)?)
    }

    /// Asks once, with these headers.
    #[track_caller]
    pub(crate) fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let request = self.agent.post(format!("{}{path}", self.gateway));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        read(request.send_json(body).unwrap()).unwrap()
    }

    fn is_there(&self, path: &str) -> bool {
        self.get(path).is_ok_and(|answer| answer.status == 200)
    }

    /// Asks again under the same key, as a client does, until there is an answer that is not "not now".
    pub(crate) fn post_until_answered(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.until_answered(|| self.post(path, key, body), &format!("POST {path} {body}"))
    }

    pub(crate) fn get_until_answered(&self, path: &str) -> Answer {
        self.until_answered(|| self.get(path), &format!("GET {path}"))
    }

    fn until_answered(&self, ask: impl Fn() -> Result<Answer, ureq::Error>, what: &str) -> Answer {
        let mut last = String::new();
        let patience = Patience::begin();
        while patience.is_left() {
            match ask() {
                Ok(answer) if answer.status < 500 && answer.status != 429 => return answer,
                Ok(answer) => last = format!("{} {}", answer.status, answer.body),
                Err(error) => last = error.to_string(),
            }
            std::thread::sleep(PAUSE);
        }
        panic!("no answer to {what}, at last {last}\n{}", self.log());
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    let status = response.status().as_u16();
    let location =
        response.headers().get("location").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = response.body_mut().read_to_string()?;
    Ok(Answer { status, location, body: serde_json::from_str(&body).unwrap_or(Value::Null) })
}

/// A bound on waiting.
pub(crate) struct Patience(Instant);

impl Patience {
    #[expect(clippy::disallowed_methods, reason = "a bound on real waiting for real processes")]
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn is_left(&self) -> bool {
        self.0.elapsed() < PATIENCE
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A running `up`; killed when dropped, and with it everything that it started.
pub(crate) struct Up(Child);

/// A process that stands still, until this is dropped.
pub(crate) struct Frozen(Pid);

impl Frozen {
    pub(crate) fn pid(&self) -> Pid {
        self.0
    }

    /// Whether all of its threads stand still.
    fn stands_still(&self) -> bool {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0.as_raw_nonzero())).unwrap();
        tasks.flatten().all(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
        })
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // It may have been killed meanwhile.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

impl Up {
    /// Stops the victim in the middle of whatever it does.
    pub(crate) fn freeze(&self, victim: Victim) -> Frozen {
        let frozen = Frozen(self.signal(victim, Signal::STOP));
        let patience = Patience::begin();
        while !frozen.stands_still() {
            assert!(patience.is_left(), "{victim:?} cannot be stopped");
            std::thread::sleep(PAUSE);
        }
        frozen
    }

    /// Kills the victim once it runs, with SIGKILL.
    pub(crate) fn kill(&self, victim: Victim) {
        self.signal(victim, Signal::KILL);
    }

    /// Kills the first of the victims that runs with SIGKILL, in the middle of its work: once it has run for `life`
    /// at least, and `is_time`. Who it was.
    pub(crate) fn kill_at_work(
        &self,
        victims: &[Victim],
        life: Duration,
        is_time: impl Fn() -> bool,
    ) -> Victim {
        let patience = Patience::begin();
        while patience.is_left() {
            let running = victims.iter().find_map(|victim| Some((*victim, self.find(*victim)?)));
            std::thread::sleep(life);
            if let Some((victim, pid)) = running
                && self.find(victim) == Some(pid)
                && is_time()
                && kill_process(pid, Signal::KILL).is_ok()
            {
                return victim;
            }
        }
        panic!("there never was one of {victims:?} to kill in the middle of its work");
    }

    /// Sends the victim a signal once it runs: who it was.
    fn signal(&self, victim: Victim, signal: Signal) -> Pid {
        let patience = Patience::begin();
        while patience.is_left() {
            if let Some(pid) = self.find(victim)
                && kill_process(pid, signal).is_ok()
            {
                return pid;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("there never was a {victim:?} to signal");
    }

    pub(crate) fn find(&self, victim: Victim) -> Option<Pid> {
        let words: &[&str] = match victim {
            Victim::Up => return Some(Pid::from_child(&self.0)),
            Victim::Platform => &["run"],
            Victim::Orders => &["shop", "orders"],
            Victim::Payments => &["shop", "payments"],
            Victim::Inventory => &["shop", "inventory"],
            Victim::Provider => &["shop", "provider"],
        };
        children(Pid::from_child(&self.0)).into_iter().find(|pid| {
            let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
            let line: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
            words.iter().all(|word| line.iter().skip(1).any(|own| own == word))
        })
    }

    /// Waits until it and all that it started have ended.
    pub(crate) fn gone(mut self) {
        let started = children(Pid::from_child(&self.0));
        self.0.wait().unwrap();
        wait_for_end(&started);
    }

    /// Asks it to stop: how long that took, and its exit code.
    pub(crate) fn stop(mut self) -> (Duration, Option<i32>) {
        let started = children(Pid::from_child(&self.0));
        let patience = Patience::begin();
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        let status = self.0.wait().unwrap();
        wait_for_end(&started);
        (patience.elapsed(), status.code())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It has ended already where a test waited for that.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for_end(pids: &[Pid]) {
    let patience = Patience::begin();
    while pids.iter().any(|pid| Path::new(&format!("/proc/{}", pid.as_raw_nonzero())).exists()) {
        assert!(patience.is_left(), "processes outlive what started them");
        std::thread::sleep(PAUSE);
    }
}

fn children(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero();
    let list = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|number| Pid::from_raw(number.parse().ok()?)).collect()
}
