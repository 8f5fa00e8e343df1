//! A client of HTTP/1.1 that is small enough to have thousands of.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longer than any answer of these tests takes.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// One connection.
pub(super) struct Raw {
    stream: TcpStream,
}

impl Raw {
    pub(super) fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(SILENCE_MAX)).unwrap();
        stream.set_write_timeout(Some(SILENCE_MAX)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    /// Sends as much as the other side takes; it may hang up in between.
    pub(super) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// The next answer, whose length is said; nothing when the connection ends instead.
    pub(super) fn answer(&mut self) -> Option<(u16, Vec<u8>)> {
        let mut read = Vec::new();
        let end = loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.more(&mut read)?;
        };
        let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let length = head.split_once("\r\ncontent-length:")?.1;
        let length: usize = length.split('\r').next()?.trim().parse().ok()?;
        while read.len() < end + length {
            self.more(&mut read)?;
        }
        Some((status, read.split_off(end)))
    }

    fn more(&mut self, read: &mut Vec<u8>) -> Option<()> {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) => None,
            Ok(count) => {
                read.extend_from_slice(&chunk[..count]);
                Some(())
            }
            Err(error) => {
                assert!(error.kind() != ErrorKind::WouldBlock, "nothing came for {SILENCE_MAX:?}");
                None
            }
        }
    }

    /// Goes away without a good-bye: the other side sees a reset.
    pub(super) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// As many descriptors as this process, and those that it starts, may have.
pub(super) fn raise_descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, most).unwrap();
    limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap())
}
