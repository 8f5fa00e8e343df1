//! Who writes to stderr: a thread of its own, so that a terminal which takes nothing (ctrl-s, a slow connection)
//! never makes a child wait for its log. What does not fit is counted and left out.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// Lines that may wait to be written.
const WAITING_MAX: usize = 8 * 1024;
/// How long the last lines may take at the end.
const FLUSH_TIME: Duration = Duration::from_secs(1);

/// Takes lines to be written. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    lines: SyncSender<Vec<u8>>,
    left_out: Arc<AtomicU64>,
}

/// Tells when everything is written.
#[derive(Debug)]
pub(crate) struct Written(Receiver<()>);

impl Printer {
    /// A printer to stderr. [`Written::wait`] ends when all its clones are gone.
    pub(crate) fn stderr() -> io::Result<(Self, Written)> {
        Self::to(|text| {
            // Nobody is left to be told that nobody listens.
            let _ = io::stderr().lock().write_all(text);
        })
    }

    fn to(mut write: impl FnMut(&[u8]) + Send + 'static) -> io::Result<(Self, Written)> {
        let (lines, waiting) = sync_channel::<Vec<u8>>(WAITING_MAX);
        let (done, written) = mpsc::channel();
        let left_out = Arc::new(AtomicU64::new(0));
        let missed = Arc::clone(&left_out);
        thread::Builder::new().name("printer".into()).spawn(move || {
            for line in waiting {
                match missed.swap(0, Ordering::Relaxed) {
                    0 => {}
                    count => write(format!("({count} lines were left out, nobody took them)\n").as_bytes()),
                }
                write(&line);
            }
            drop(done);
        })?;
        Ok((Self { lines, left_out }, Written(written)))
    }

    /// Has one line written, its end included; never waits.
    pub(crate) fn line(&self, line: Vec<u8>) {
        if self.lines.try_send(line).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Has a text of the supervisor's own written.
    pub(crate) fn talk(&self, text: &str) {
        self.line(format!("{text}\n").into_bytes());
    }
}

impl Written {
    /// Waits until the last line is written, for a moment at most.
    pub(crate) fn wait(self) {
        // Nothing is ever sent: the other end goes away when the thread ends.
        let (Ok(()) | Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout)) =
            self.0.recv_timeout(FLUSH_TIME);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_reader_that_takes_nothing_makes_nobody_wait() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let (sink, gate) = (Arc::clone(&written), Arc::new(Mutex::new(())));
        let (closed, gatekeeper) = (gate.lock().unwrap(), Arc::clone(&gate));
        let (writes, writing) = mpsc::channel();
        let (printer, end) = Printer::to(move |text| {
            // Only the first one is waited for.
            let _ = writes.send(());
            drop(gatekeeper.lock().unwrap());
            sink.lock().unwrap().push(String::from_utf8(text.to_vec()).unwrap());
        })
        .unwrap();
        printer.talk("0");
        writing.recv().unwrap();
        for number in 1..WAITING_MAX + 100 {
            printer.talk(&number.to_string());
        }
        drop(closed);
        drop(printer);
        end.wait();
        let written = written.lock().unwrap();
        let (notices, lines): (Vec<&String>, Vec<&String>) =
            written.iter().partition(|line| line.contains("left out"));
        assert!(lines.iter().enumerate().all(|(number, line)| **line == format!("{number}\n")), "in order");
        assert_eq!(lines.len(), WAITING_MAX + 1, "the one that is being written, and those that may wait");
        assert_eq!(notices.len(), 1);
    }
}
