//! Programs that others wrote, on either side of the gateway.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use mamparo_conformance::programs::{is_installed_as, missing};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::shop::{Patience, free_port};

/// How a script says that it lacks a wheel.
const WHEELS_MISSING: i32 = 77;

pub(super) use mamparo_conformance::programs::is_installed;

/// A process that is killed when this is dropped.
pub(super) struct Peer {
    process: Child,
    /// What it said in its first line.
    pub(super) said: String,
}

impl Peer {
    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Whether it still runs.
    pub(super) fn runs(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A Python with the wheels that the tests import.
fn python(script: &str) -> Command {
    let own = std::env::var("MAMPARO_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let mut command = Command::new(own);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/gateway").join(script));
    command
}

/// Runs a script to its end: what it said; nothing where a wheel is missing.
#[track_caller]
pub(super) fn script(name: &str, arguments: &[&str], shows: &str) -> Option<String> {
    if !is_installed("python3", shows) {
        return None;
    }
    let Output { status, stdout, stderr } = python(name).args(arguments).output().unwrap();
    if status.code() == Some(WHEELS_MISSING) {
        missing_wheel(&String::from_utf8_lossy(&stderr), shows);
        return None;
    }
    let said = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{name} {arguments:?}: {status}\n{said}{}", String::from_utf8_lossy(&stderr));
    Some(said)
}

fn missing_wheel(wheel: &str, shows: &str) {
    missing(wheel.trim(), shows);
}

/// Starts a script that serves and says in its first line where; nothing where a wheel is missing.
#[track_caller]
pub(super) fn server(name: &str, arguments: &[&str], shows: &str) -> Option<Peer> {
    if !is_installed("python3", shows) {
        return None;
    }
    let mut process =
        python(name).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut said).unwrap();
    if said.is_empty() {
        let Output { status, stderr, .. } = process.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(WHEELS_MISSING), "{name}: {told}");
        missing_wheel(&told, shows);
        return None;
    }
    Some(Peer { process, said: said.trim().to_owned() })
}

/// A script that holds connections open and is busy on them, as the first words of each such script say.
pub(super) struct Keeper {
    name: &'static str,
    process: Child,
    asks: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
}

impl Keeper {
    /// One whose connections are open; nothing where a wheel is missing.
    #[track_caller]
    pub(super) fn start(name: &'static str, arguments: &[&str], shows: &str) -> Option<Self> {
        let mut command = python(name);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (asks, says) = (process.stdin.take(), BufReader::new(process.stdout.take().unwrap()));
        let mut keeper = Self { name, process, asks, says };
        let said = keeper.hear();
        if said.is_empty() {
            let told = keeper.complaint();
            assert_eq!(keeper.process.wait().unwrap().code(), Some(WHEELS_MISSING), "{name}: {told}");
            missing_wheel(&told, shows);
            return None;
        }
        assert_eq!(said, "open", "{name}");
        Some(keeper)
    }

    fn hear(&mut self) -> String {
        let mut said = String::new();
        self.says.read_line(&mut said).unwrap();
        said.trim().to_owned()
    }

    fn complaint(&mut self) -> String {
        let mut told = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        told
    }

    /// How often it was answered on the connection where that happened least.
    #[track_caller]
    pub(super) fn answered(&mut self) -> u64 {
        let asked = self.asks.as_mut().unwrap().write_all(b"\n");
        let said = self.hear();
        said.parse().unwrap_or_else(|_| {
            let told = self.complaint();
            panic!("{}: {asked:?} {said:?} {told}", self.name)
        })
    }

    /// Waits until each of its connections was answered so many times more.
    #[track_caller]
    pub(super) fn goes_on(&mut self, more: u64) {
        let (patience, before) = (Patience::begin(), self.answered());
        while self.answered() < before + more {
            assert!(patience.is_left(), "{} is not answered any more", self.name);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Has it close all: what it says at last.
    #[track_caller]
    pub(super) fn close(mut self) -> String {
        self.asks = None;
        let said = self.hear();
        let (status, told) = (self.process.wait().unwrap(), self.complaint());
        assert!(status.success(), "{}: {status} {said} {told}", self.name);
        said
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // It has ended already where it was closed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// nginx: a service of files, of HTTP/1.1 and of HTTP/2.
pub(super) struct Nginx {
    _process: Peer,
    folder: TempDir,
    pub(super) http1: String,
    pub(super) http2: String,
}

impl Nginx {
    /// One that closes a connection which has rested for `keepalive`; nothing where it is not installed.
    pub(super) fn start(keepalive: &str, shows: &str) -> Option<Self> {
        if !is_installed_as("nginx", "-v", shows) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().display();
        let [http1, http2] = [0; 2].map(|_| format!("127.0.0.1:{}", free_port()));
        let config = format!(
            "daemon off; master_process off; user root; pid {here}/pid; error_log stderr;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; keepalive_timeout {keepalive}; keepalive_requests 100000000;\n\
             client_body_temp_path {here}/body; client_max_body_size 200m; client_body_buffer_size 64k;\n\
             proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi; uwsgi_temp_path {here}/uwsgi;\n\
             scgi_temp_path {here}/scgi;\n\
             server {{ listen {http1}; listen {http2} http2; root {here}/files; large_client_header_buffers 8 64k;\n\
             location /up/ {{ dav_methods PUT DELETE; create_full_put_path on; }}\n\
             location = /ok {{ return 200 'ok'; }}\n\
             location = /head {{ return 200 '$request_method $uri $http_x'; }}\n\
             location = /posted {{ proxy_pass http://{http1}/length; }}\n\
             location = /length {{ return 200 '$content_length'; }} }} }}\n"
        );
        fs::create_dir_all(folder.path().join("files/up")).unwrap();
        fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(folder.path().join("nginx.conf"));
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut process = Peer { process, said: String::new() };
        let patience = Patience::begin();
        while TcpStream::connect(&http2).is_err() {
            let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            assert!(process.runs() && patience.is_left(), "{}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(Self { _process: process, folder, http1, http2 })
    }

    /// The path of a file that it serves.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("files").join(name)
    }

    /// Has it serve a file of so many bytes, which differ from place to place.
    pub(super) fn serve(&self, name: &str, bytes: usize) -> Vec<u8> {
        let content = content(bytes);
        fs::File::create(self.file(name)).unwrap().write_all(&content).unwrap();
        content
    }
}

/// Bytes that differ from place to place.
pub(super) fn content(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut content = Vec::with_capacity(bytes + 8);
    while content.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        content.extend_from_slice(&state.to_be_bytes());
    }
    content.truncate(bytes);
    content
}
