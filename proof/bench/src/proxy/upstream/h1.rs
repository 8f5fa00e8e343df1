//! HTTP/1.1 with as little work as there can be: the ends of heads are counted, requests have no bodies.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use bytes::Bytes;

use crate::proxy::events::{Events, Interest};

const LISTENER: u64 = u64::MAX;
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// One connection of a proxy.
struct Caller {
    stream: TcpStream,
    /// How many bytes of the end of a head were the last ones read.
    matched: usize,
    /// Bytes of answers that are still to be written.
    owed: usize,
    waits_to_write: bool,
}

/// Serves until the process ends.
pub(super) fn serve(socket: &TcpListener, body: &Bytes) {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n", body.len());
    let answer = [head.as_bytes(), body].concat();
    let mut events = Events::new();
    events.add(socket, LISTENER);
    let mut callers: Vec<Option<Caller>> = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        for token in events.wait() {
            if token == LISTENER {
                accept(socket, &events, &mut callers);
                continue;
            }
            let Some(Some(caller)) = callers.get_mut(token as usize) else { continue };
            if !caller.serve(&answer, &mut buffer, &events, token) {
                callers[token as usize] = None;
            }
        }
    }
}

fn accept(socket: &TcpListener, events: &Events, callers: &mut Vec<Option<Caller>>) {
    while let Ok((stream, _)) = socket.accept() {
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        let free = callers.iter().position(Option::is_none).unwrap_or(callers.len());
        if free == callers.len() {
            callers.push(None);
        }
        events.add(&stream, free as u64);
        callers[free] = Some(Caller { stream, matched: 0, owed: 0, waits_to_write: false });
    }
}

impl Caller {
    /// Reads what is there and answers it: whether the connection goes on.
    fn serve(&mut self, answer: &[u8], buffer: &mut [u8], events: &Events, token: u64) -> bool {
        match self.stream.read(buffer) {
            Ok(0) => return false,
            Ok(count) => self.owed += self.heads(&buffer[..count]) * answer.len(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
        let Ok(is_blocked) = self.pay(answer) else { return false };
        if is_blocked != self.waits_to_write {
            self.waits_to_write = is_blocked;
            events.modify(&self.stream, token, if is_blocked { Interest::Both } else { Interest::Read });
        }
        true
    }

    /// How many heads end in `bytes`.
    fn heads(&mut self, bytes: &[u8]) -> usize {
        let mut heads = 0;
        for byte in bytes {
            self.matched = match *byte {
                byte if byte == END_OF_HEAD[self.matched] => self.matched + 1,
                b'\r' => 1,
                _ => 0,
            };
            if self.matched == END_OF_HEAD.len() {
                (heads, self.matched) = (heads + 1, 0);
            }
        }
        heads
    }

    /// Writes what is owed: whether the proxy takes no more now.
    fn pay(&mut self, answer: &[u8]) -> std::io::Result<bool> {
        while self.owed > 0 {
            let left = match self.owed % answer.len() {
                0 => answer.len(),
                part => part,
            };
            match self.stream.write(&answer[answer.len() - left..]) {
                Ok(count) => self.owed -= count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}
