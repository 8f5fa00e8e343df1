//! Services that the tests put behind the gateway, and clients that hammer it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A service that answers every request with `text`, for as long as the test runs.
pub(crate) fn answering(text: &'static str) -> SocketAddr {
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = service.local_addr().unwrap();
    thread::spawn(move || {
        for stream in service.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(stream, text));
        }
    });
    address
}

/// A service that keeps every answer back until it is told; it says when it was asked.
pub(crate) fn patient() -> (SocketAddr, Receiver<()>, Sender<()>) {
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = service.local_addr().unwrap();
    let ((asked, arrived), (go, may_go)) = (channel(), channel::<()>());
    thread::spawn(move || {
        for mut stream in service.incoming().map_while(Result::ok) {
            let mut buffer = [0; 4096];
            if stream.read(&mut buffer).is_err() || asked.send(()).is_err() || may_go.recv().is_err() {
                return;
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate");
        }
    });
    (address, arrived, go)
}

fn serve(mut stream: TcpStream, text: &str) {
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Clients that ask again and again, on connections that they keep as long as the gateway lets them.
pub(crate) struct Hammer {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Hammer {
    /// `count` clients that ask `address` for `path`.
    pub(crate) fn start(address: SocketAddr, path: &'static str, count: usize) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |_| {
            let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
            thread::spawn(move || hammer(address, path, &stop, &asked))
        };
        let clients = (0..count).map(client).collect();
        Self { stop, asked, clients }
    }

    /// Requests that were answered until now.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Stops: how many requests were answered with 200, and all that went wrong.
    pub(crate) fn stop(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let wrong = self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        (self.asked.load(Ordering::Relaxed), wrong)
    }
}

fn hammer(address: SocketAddr, path: &str, stop: &AtomicBool, asked: &AtomicU64) -> Vec<String> {
    let (mut wrong, mut connection) = (Vec::new(), None);
    while !stop.load(Ordering::Relaxed) && wrong.len() < 10 {
        match request(address, path, &mut connection) {
            Ok(200) => _ = asked.fetch_add(1, Ordering::Relaxed),
            Ok(status) => wrong.push(format!("status {status}")),
            Err(error) => {
                wrong.push(error.to_string());
                connection = None;
            }
        }
    }
    wrong
}

/// One request, on the connection that there is or on a new one. It is not sent again, whatever happens.
fn request(address: SocketAddr, path: &str, kept: &mut Option<TcpStream>) -> std::io::Result<u16> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => TcpStream::connect(address)?,
    };
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes())?;
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err(std::io::Error::other(format!("closed after {} bytes", text.len())));
        }
        text.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&text).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let length: usize = header("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            if header("connection:") != Some("close") {
                *kept = Some(stream);
            }
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            return status.ok_or_else(|| std::io::Error::other("no status"));
        }
    }
}
