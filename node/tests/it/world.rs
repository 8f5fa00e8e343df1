//! A folder, a configuration with ports of its own, and a program that runs in it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

/// Longer than anything may take, on a machine however busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a configuration whose ports were free a moment ago.
pub(crate) struct World {
    folder: TempDir,
    pub(crate) gateway: SocketAddr,
    pub(crate) mesh: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl World {
    /// A world in which `applications` (YAML, indented by two) run.
    pub(crate) fn new(applications: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sockets: Vec<TcpListener> = (0..4).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let [gateway, mesh, admin, hub] =
            [0, 1, 2, 3].map(|number: usize| sockets[number].local_addr().unwrap());
        let text = format!(
            "version: 1\nlisteners: {{gateway: '{gateway}', mesh: '{mesh}', admin: '{admin}', hub: '{hub}'}}\n\
             topics: {{work: {{kind: queue}}, facts: {{kind: log}}}}\napplications:\n{applications}\n"
        );
        fs::write(folder.path().join("mamparo.yaml"), text).unwrap();
        Self { folder, gateway, mesh, admin }
    }

    /// A world in which the shop of the repository runs.
    pub(crate) fn shop() -> Self {
        let world = Self::new("  {}");
        let file = world.path().join("mamparo.yaml");
        let own = fs::read_to_string(&file).unwrap();
        let shop = include_str!("../../../mamparo.yaml");
        let rest = shop.split_once("\ngateway:\n").unwrap().1;
        let head = own.split_once("topics:").unwrap().0;
        fs::write(file, format!("{head}\ngateway:\n{rest}")).unwrap();
        world
    }

    /// The same world with more lines at the end of its configuration.
    pub(crate) fn with(self, lines: &str) -> Self {
        let file = self.path().join("mamparo.yaml");
        let own = fs::read_to_string(&file).unwrap();
        fs::write(file, format!("{own}\n{lines}\n")).unwrap();
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join(".mamparo")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mamparo"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_remove("MAMPARO_RUN")
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended(self.command(arguments).output().unwrap())
    }

    /// Starts `up` and waits until it says that it is ready.
    pub(crate) fn up(&self) -> Up {
        let mut child = self.command(&["up"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = lines(child.stdout.take().unwrap());
        let logged = lines(child.stderr.take().unwrap());
        let up = Up { child, said, logged };
        up.wait_for_said("ctrl-c stops everything");
        up
    }

    /// Starts `run` with these arguments and waits until it is ready.
    pub(crate) fn node(&self, arguments: &[&str]) -> Up {
        let arguments: Vec<&str> = ["run"].iter().chain(arguments).copied().collect();
        self.ready(self.command(&arguments))
    }

    /// Starts a node by `sh`, with `stdin` and the program as `$0`, and waits until it is ready.
    pub(crate) fn node_by_shell(&self, script: &str, stdin: Stdio) -> Up {
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_mamparo")]).current_dir(self.path()).stdin(stdin);
        self.ready(command)
    }

    fn ready(&self, mut command: Command) -> Up {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = lines(child.stdout.take().unwrap());
        let logged = lines(child.stderr.take().unwrap());
        let node = Up { child, said, logged };
        eventually("the node is ready", || self.admin("/readyz").is_some_and(|(status, _)| status == 200));
        node
    }

    /// The status and body of a request to the admin port; `None` when nobody answers.
    pub(crate) fn admin(&self, path: &str) -> Option<(u16, String)> {
        get(self.admin, path)
    }
}

/// Asks on a Unix socket: the status and body of the answer; `None` when nobody answers.
pub(crate) fn ask_socket(socket: &Path, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = UnixStream::connect(socket).ok()?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: mamparo\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    answer(stream)
}

/// A command that has ended.
pub(crate) struct Ended(Output);

impl Ended {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }
}

/// A running `up`; killed, with what it started, when dropped.
pub(crate) struct Up {
    child: Child,
    said: Receiver<String>,
    logged: Receiver<String>,
}

impl Up {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Itself, what it started, and what those started.
    pub(crate) fn tree(&self) -> Vec<Pid> {
        let parents: Vec<(i32, i32)> = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| {
                let number: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
                let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
                Some((number, stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?))
            })
            .collect();
        let mut tree = vec![self.pid().as_raw_nonzero().get()];
        let mut next = 0;
        while let Some(parent) = tree.get(next).copied() {
            tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(number, _)| number));
            next += 1;
        }
        tree.into_iter().filter_map(Pid::from_raw).collect()
    }

    pub(crate) fn wait_for_said(&self, words: &str) -> String {
        wait_for(&self.said, words)
    }

    pub(crate) fn wait_for_logged(&self, words: &str) -> String {
        wait_for(&self.logged, words)
    }

    /// Listens to it no longer: from its next line on, its pipes are closed.
    pub(crate) fn ignore(&mut self) {
        (self.said, self.logged) = (channel().1, channel().1);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end: how long that took, and its exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        let status = self.child.wait().unwrap();
        status.code()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It has ended already where a test waited for that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `holds`, looking again and again.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let pause = Duration::from_millis(10);
    for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
        if holds() {
            return;
        }
        thread::sleep(pause);
    }
    panic!("it never came to this: {what}");
}

pub(crate) fn is_alive(pid: Pid) -> bool {
    // A zombie has ended; somebody else has to collect it.
    let number = pid.as_raw_nonzero();
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    let zombie = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'));
    test_kill_process(pid).is_ok() && !zombie
}

#[track_caller]
fn wait_for(lines: &Receiver<String>, words: &str) -> String {
    let mut before = Vec::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) if line.contains(words) => return line,
            Ok(line) => before.push(line),
            Err(_) => panic!("`{words}` never came, only\n{}", before.join("\n")),
        }
    }
}

fn lines(source: impl Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// The status and body of a request; `None` when nobody answers.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    ask(address, &format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"))
}

/// The same for a request that is written out.
pub(crate) fn ask(address: SocketAddr, request: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    answer(stream)
}

fn answer(mut stream: impl Read) -> Option<(u16, String)> {
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
