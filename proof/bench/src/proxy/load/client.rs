//! One connection of the load: sends the request, reads the answer, and says how that went.

use std::io::{ErrorKind, Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::answer::{Answer, Read};

/// A connection, and the request on it.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// Whether the other side is asked to close after its answer.
    closes: bool,
    answer: Answer,
    answered: bool,
    /// Since when the request that is under way counts.
    pub(crate) since: Option<Instant>,
}

/// How a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Waiting,
    /// Answered, and closed where that was asked for.
    Answered,
    Failed,
}

impl Client {
    /// A connection that is established, or `None` where nobody takes it.
    pub(crate) fn connect(to: SocketAddr, closes: bool) -> Option<Self> {
        let stream = TcpStream::connect(to).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_nonblocking(true).ok()?;
        Some(Self { stream, closes, answer: Answer::default(), answered: false, since: None })
    }

    /// Sends a request that counts since `since`: whether it left whole.
    pub(crate) fn send(&mut self, request: &[u8], since: Instant) -> bool {
        self.since = Some(since);
        self.stream.write(request).is_ok_and(|count| count == request.len())
    }

    /// Reads what is there.
    pub(crate) fn read(&mut self, buffer: &mut [u8], expected: usize) -> Step {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return if self.answered { Step::Answered } else { Step::Failed },
                // Bytes that nobody asked for.
                Ok(_) if self.since.is_none() || self.answered => return Step::Failed,
                Ok(count) => match self.answer.feed(&buffer[..count], expected) {
                    Read::Whole if self.closes => self.answered = true,
                    Read::Whole => return Step::Answered,
                    Read::Wrong => return Step::Failed,
                    // The socket is empty; the next event tells.
                    Read::More if count < buffer.len() => return Step::Waiting,
                    Read::More => {}
                },
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Step::Waiting,
                Err(_) => return Step::Failed,
            }
        }
    }

    /// Closes so that no port is left waiting for a minute; the other side has closed already.
    pub(crate) fn discard(self) {
        // Where it cannot be set, the port waits.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}
