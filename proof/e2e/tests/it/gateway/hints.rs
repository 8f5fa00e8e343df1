//! curl hears what a service says before its answer, while the service still works on that.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::node::{Gateway, HOST};
use super::peers::is_installed;

const SHOWS: &str = "curl did not hear early hints through the gateway";
const HINT: &[u8] = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A service that hints, says that it has, and gives its answer when it is told to: where it listens.
fn service() -> (String, Receiver<()>, Sender<()>) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let ((hinted, has_hinted), (go, may_go)) = (channel(), channel());
    let may_go = Arc::new(Mutex::new(may_go));
    thread::spawn(move || {
        for stream in socket.incoming() {
            let (hinted, may_go) = (hinted.clone(), Arc::clone(&may_go));
            thread::spawn(move || serve(stream.unwrap(), &hinted, &may_go));
        }
    });
    (address, has_hinted, go)
}

fn serve(stream: TcpStream, hinted: &Sender<()>, may_go: &Mutex<Receiver<()>>) {
    let mut reader = BufReader::new(stream);
    while read_head(&mut reader) {
        reader.get_mut().write_all(HINT).unwrap();
        if hinted.send(()).is_err() || may_go.lock().unwrap().recv().is_err() {
            return;
        }
        reader.get_mut().write_all(ANSWER).unwrap();
    }
}

/// Whether there is one more head.
fn read_head(reader: &mut BufReader<TcpStream>) -> bool {
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        if line == "\r\n" {
            return true;
        }
        line.clear();
    }
    false
}

#[test]
fn curl_hears_hints_over_http1_and_the_answer_alone_over_http2() {
    if !is_installed("curl", SHOWS) {
        return;
    }
    let (address, hinted, go) = service();
    let gateway = Gateway::start(
        &format!("{{one: {{address: '{address}'}}}}"),
        "  routes:\n  - {match: {path: /}, service: one, public: true, early_hints: true}\n",
    );
    for (scheme, protocol, hears) in [
        ("http", "--http1.1", true),
        ("https", "--http1.1", true),
        ("http", "--http2-prior-knowledge", false),
        ("https", "--http2", false),
    ] {
        let mut command = Command::new("curl");
        command.args(["-sS", "-i", "--max-time", "30", protocol, "--cacert"]).arg(gateway.authority());
        command.args(["--connect-to", &format!("{HOST}:443:{}", gateway.tls)]);
        command.args(["--connect-to", &format!("{HOST}:80:{}", gateway.plain)]);
        let url = format!("{scheme}://{HOST}/");
        // What it hears it tells at once, and prints at the end.
        let mut curl =
            command.args(["-v", &url]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut tells = BufReader::new(curl.stderr.take().unwrap());
        hinted.recv_timeout(Duration::from_secs(20)).unwrap();
        let (mut told, mut said) = (String::new(), String::new());
        while hears && !told.contains("< link: </a.css>; rel=preload") {
            assert!(tells.read_line(&mut told).unwrap() > 0, "{scheme} {protocol}: {told}");
        }
        go.send(()).unwrap();
        tells.read_to_string(&mut told).unwrap();
        curl.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(curl.wait().unwrap().success(), "{scheme} {protocol}: {told}");
        let said = match said.strip_prefix(str::from_utf8(HINT).unwrap()) {
            Some(rest) if hears => rest,
            _ => &said,
        };
        assert!(!said.contains(" 103 ") && said.contains(" 200"), "{scheme} {protocol}: {said}");
        assert!(said.ends_with("\r\n\r\nok"), "{scheme} {protocol}: {said}");
    }
    gateway.stop();
}
