//! When a process should stop: on a signal, or when the pipe that it inherited from its supervisor closes, so
//! that nothing outlives a supervisor, however that ends.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Set for a child: its standard input is the pipe, and the folder named here holds the lock of the run.
pub(crate) const RUN_VARIABLE: &str = "MAMPARO_RUN";
/// Held by every child as long as it lives, so that the next supervisor can wait for the last one's children.
pub(crate) const CHILDREN_LOCK: &str = "children.lock";

/// The reasons to stop.
#[derive(Debug)]
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
    pipe: Option<pipe::Receiver>,
}

/// The lock of a child; it is held until the process has ended, and not only until it begins to stop.
static ALIVE: OnceLock<File> = OnceLock::new();

impl Stop {
    /// Listens for the signals and, in a child, on the pipe. Needs a runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        let run = std::env::var_os(RUN_VARIABLE);
        if let Some(run) = &run {
            hold(Path::new(run))?;
        }
        let pipe = match run {
            Some(_) => Some(supervised(io::stdin().as_fd().try_clone_to_owned()?)?),
            None => None,
        };
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            pipe,
        })
    }

    /// Whether a supervisor watches over this process: it decides when patience ends.
    pub(crate) fn is_supervised(&self) -> bool {
        self.pipe.is_some()
    }

    /// Waits for the next reason to stop, and says it.
    ///
    /// Cancel safe.
    pub(crate) async fn requested(&mut self) -> &'static str {
        let closed = async {
            match &mut self.pipe {
                Some(pipe) => {
                    let mut buffer = [0; 64];
                    while matches!(pipe.read(&mut buffer).await, Ok(1..)) {}
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            () = closed => "the supervisor closed the pipe",
        }
    }
}

/// The pipe from a supervisor that is there. One that was killed before the lock was taken could not know that this
/// process lives, and the next one did not wait for it: it must end before it opens anything.
fn supervised(fd: OwnedFd) -> io::Result<pipe::Receiver> {
    let mut look = File::from(fd.try_clone()?);
    // From here on reading does not block, for both.
    let pipe = pipe::Receiver::from_owned_fd(fd)?;
    match look.read(&mut [0; 64]) {
        Ok(0) => Err(io::Error::other("the supervisor is gone")),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(pipe),
    }
}

fn hold(run: &Path) -> io::Result<()> {
    let lock = File::options().create(true).append(true).open(run.join(CHILDREN_LOCK))?;
    lock.lock_shared()?;
    // Set already where a process listens twice: the first lock stays.
    let _ = ALIVE.set(lock);
    Ok(())
}
