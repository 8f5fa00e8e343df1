//! A gateway in a process of its own, with plain and TLS listeners, and what it occupies.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::shop::{Patience, free_port, program};

/// The name that its certificate is for.
pub(super) const HOST: &str = "it.test";

/// A gateway that serves.
pub(super) struct Gateway {
    process: Child,
    folder: TempDir,
    /// What stands in its file before the rest of `gateway:`.
    head: String,
    /// Where it listens without TLS.
    pub(super) plain: String,
    /// Where it listens with TLS.
    pub(super) tls: String,
    admin: String,
    agent: ureq::Agent,
}

impl Gateway {
    /// One with these `services` (a YAML mapping) and this rest of `gateway:` (indented by two, routes among it).
    pub(super) fn start(services: &str, gateway: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = rcgen::generate_simple_self_signed([HOST.to_owned(), "localhost".to_owned()]).unwrap();
        fs::write(folder.path().join("cert.pem"), own.cert.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), own.signing_key.serialize_pem()).unwrap();
        let [plain, tls, mesh, admin] = [0; 4].map(|_| format!("127.0.0.1:{}", free_port()));
        let here = folder.path().display();
        let head = format!(
            "version: 1\nlisteners: {{gateway: '{plain}', gateway_tls: '{tls}', mesh: '{mesh}', admin: '{admin}'}}\n\
             services: {services}\ngateway:\n  workers: 2\n  \
             tls: {{certificates: [{{cert: '{here}/cert.pem', key: '{here}/key.pem'}}]}}\n"
        );
        fs::write(folder.path().join("mamparo.yaml"), format!("{head}{gateway}")).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(program());
        command
            .args(["run", "--role", "gateway", "--config", "mamparo.yaml"])
            .current_dir(folder.path())
            .env_remove("MAMPARO_RUN")
            .env("MAMPARO_LOG", "info,access=off")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let process = command.spawn().unwrap();
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(20)))
            .http_status_as_error(false)
            .build()
            .into();
        let mut gateway = Self { process, folder, head, plain, tls, admin, agent };
        let patience = Patience::begin();
        while !gateway.is_ready() {
            let ended = gateway.process.try_wait().unwrap();
            assert!(ended.is_none() && patience.is_left(), "{ended:?}\n{}", gateway.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        gateway
    }

    fn is_ready(&self) -> bool {
        let answer = self.agent.get(format!("http://{}/readyz", self.admin)).call();
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// The certificate, which vouches for itself.
    pub(super) fn authority(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// A folder of the test's own.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has said.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The sum of all metrics of this name whose labels contain `label`.
    #[track_caller]
    pub(super) fn metric(&self, name: &str, label: &str) -> u64 {
        let mut answer = self.agent.get(format!("http://{}/metrics", self.admin)).call().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let lines = text.lines().filter_map(|line| line.strip_prefix(name));
        let own = lines.filter(|rest| rest.starts_with([' ', '{']) && rest.contains(label));
        own.map(|rest| rest.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
    }

    /// Has another rest of `gateway:` in its file, all at once.
    pub(super) fn rewrite(&self, gateway: &str) {
        let next = self.folder.path().join("next.yaml");
        fs::write(&next, format!("{}{gateway}", self.head)).unwrap();
        fs::rename(next, self.folder.path().join("mamparo.yaml")).unwrap();
    }

    /// Has it read its file again, which it would do soon by itself.
    pub(super) fn read_again(&self) {
        kill_process(Pid::from_child(&self.process), Signal::HUP).unwrap();
    }

    /// Has another process take over, which answers on the admin port from then on: which one.
    #[track_caller]
    pub(super) fn upgrade(&self) -> Heir {
        let mut command = Command::new(program());
        command.args(["upgrade", "--json"]).current_dir(self.folder.path()).env_remove("MAMPARO_RUN");
        let Output { status, stdout, stderr } = command.output().unwrap();
        assert!(status.success(), "{}\n{}", String::from_utf8_lossy(&stderr), self.log());
        let answer: serde_json::Value = serde_json::from_slice(&stdout).unwrap();
        assert_eq!(answer["from"], self.process.id());
        Heir(Pid::from_raw(answer["to"].as_i64().unwrap().try_into().unwrap()).unwrap())
    }

    /// Whether the process that was started first has ended: in good order, if it has.
    #[track_caller]
    pub(super) fn has_ended(&mut self) -> bool {
        let status = self.process.try_wait().unwrap();
        assert!(status.is_none_or(|status| status.success()), "{status:?}\n{}", self.log());
        status.is_some()
    }

    /// Waits until that has ended.
    #[track_caller]
    pub(super) fn ends(&mut self) {
        let patience = Patience::begin();
        while !self.has_ended() {
            assert!(patience.is_left(), "it does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until a metric `holds`.
    #[track_caller]
    pub(super) fn await_metric(&self, name: &str, holds: impl Fn(u64) -> bool) {
        self.eventually(name, || holds(self.metric(name, "")), || self.metric(name, "").to_string());
    }

    /// Waits until nothing is under way, no client is connected, and nothing is held open for one.
    #[track_caller]
    pub(super) fn rests(&self, descriptors: usize) {
        self.await_metric("mamparo_proxy_requests_in_flight", |own| own == 0);
        self.await_metric("mamparo_proxy_connections", |own| own == 0);
        let now = || self.descriptors();
        self.eventually("descriptors", || now() <= descriptors, || format!("{} > {descriptors}", now()));
    }

    #[track_caller]
    fn eventually(&self, what: &str, mut holds: impl FnMut() -> bool, told: impl Fn() -> String) {
        let patience = Patience::begin();
        while !holds() {
            assert!(patience.is_left(), "{what} is {} and does not become what is awaited", told());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Memory that it occupies, in KiB.
    pub(super) fn memory(&self) -> usize {
        self.status("VmRSS:")
    }

    /// The most that it ever occupied, in KiB.
    pub(super) fn memory_peak(&self) -> usize {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Descriptors that it has open.
    pub(super) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap().count()
    }

    /// Asks it to stop: it must end in good order, and never have panicked.
    pub(super) fn stop(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        let status = self.process.wait().unwrap();
        let log = self.log();
        assert!(status.success() && !log.contains("panicked"), "{status}\n{log}");
    }
}

/// A process that has taken over, and is killed with the test.
pub(super) struct Heir(Pid);

impl Heir {
    pub(super) fn signal(&self, signal: Signal) {
        kill_process(self.0, signal).unwrap();
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        // Nobody here has started it, so nobody here can wait for it.
        let _ = kill_process(self.0, Signal::KILL);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It has ended already where it was stopped.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
