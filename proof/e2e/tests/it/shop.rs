//! The shop as real processes in a folder of its own, and a client of it that we did not write.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::plan::Victim;

/// Longer than anything may take, on a machine however busy.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(5);

/// The program under test, as `cargo xtask test` names it, or beside this test.
fn program() -> PathBuf {
    let beside = || std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("mamparo");
    let path = std::env::var_os("MAMPARO_TEST_BINARY").map_or_else(beside, PathBuf::from);
    assert!(path.exists(), "{} is missing: run `cargo build -p mamparo` first", path.display());
    path
}

/// The shop in a folder of its own.
pub(crate) struct Shop {
    folder: TempDir,
    gateway: String,
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
        let sockets: Vec<TcpListener> = (0..4).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<String> =
            sockets.iter().map(|socket| socket.local_addr().unwrap().to_string()).collect();
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
        Self { folder, gateway: format!("http://{}", ports[0]), agent }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join(".mamparo")
    }

    /// Starts everything; the shop answers soon.
    pub(crate) fn up(&self) -> Up {
        let log =
            std::fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let child = Command::new(program())
            .arg("up")
            .current_dir(self.folder.path())
            .env_remove("MAMPARO_RUN")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Up(child)
    }

    /// The end of what the processes have said.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(20_000)..]).into_owned()
    }

    pub(crate) fn get(&self, path: &str) -> Result<Answer, ureq::Error> {
        read(self.agent.get(format!("{}{path}", self.gateway)).call()?)
    }

    pub(crate) fn post(&self, path: &str, key: &str, body: &Value) -> Result<Answer, ureq::Error> {
        let request = self.agent.post(format!("{}{path}", self.gateway)).header("idempotency-key", key);
        read(request.send_json(body)?)
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

impl Up {
    /// Kills the victim once it runs, with SIGKILL.
    pub(crate) fn kill(&self, victim: Victim) {
        let patience = Patience::begin();
        while patience.is_left() {
            if let Some(pid) = self.find(victim)
                && kill_process(pid, Signal::KILL).is_ok()
            {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("there never was a {victim:?} to kill");
    }

    fn find(&self, victim: Victim) -> Option<Pid> {
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
