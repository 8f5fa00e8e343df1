//! The new program, seen from the old one: started with the sockets, waited for, killed when it does not get ready.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::HEIR_VARIABLE;
use super::heir::{GO, READY};
use crate::platform::sockets::{Named, VARIABLES, send};

/// A new process that is ready and waits for its cue.
#[derive(Debug)]
pub(crate) struct Successor {
    child: Mortal,
    link: tokio::net::UnixStream,
}

/// A child that is killed when it is dropped, until it is let go.
#[derive(Debug)]
struct Mortal(Option<Child>);

impl Drop for Mortal {
    fn drop(&mut self) {
        // One that has ended already needs no signal.
        let _ = self.0.as_mut().map(Child::start_kill);
    }
}

impl Successor {
    /// Starts `program` with the arguments of this process, passes `sockets` on and waits until it is ready, for as long
    /// as `time`.
    pub(super) async fn start(program: PathBuf, sockets: Vec<Named>, time: Duration) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{} cannot be started: {error}", program.display());
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let mut command = Command::new(&program);
        command
            .args(std::env::args_os().skip(1))
            .env(HEIR_VARIABLE, "1")
            .stdin(Stdio::from(OwnedFd::from(theirs)));
        VARIABLES.iter().for_each(|variable| _ = command.env_remove(variable));
        let child = Mortal(Some(command.spawn().map_err(failed)?));
        // The command holds the other end of the link: an end of the program would go unnoticed.
        drop(command);
        send(&ours, &sockets).map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        let link = tokio::net::UnixStream::from_std(ours).map_err(failed)?;
        let mut successor = Self { child, link };
        match tokio::time::timeout(time, successor.becomes_ready()).await {
            Ok(true) => Ok(successor),
            Ok(false) => Err(successor.end().await),
            Err(_) => Err(format!("it was not ready after {time:?} and was killed")),
        }
    }

    async fn becomes_ready(&mut self) -> bool {
        let mut said = [0];
        self.link.read_exact(&mut said).await.is_ok() && said == READY
    }

    async fn end(&mut self) -> String {
        let Some(child) = &mut self.child.0 else { return String::new() };
        match tokio::time::timeout(Duration::from_secs(1), child.wait()).await {
            Ok(Ok(status)) => {
                format!("it ended before it was ready ({status}); what it said stands in the log")
            }
            _ => "it did not say that it is ready".into(),
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.0.as_ref().and_then(Child::id).unwrap_or(0)
    }

    /// Tells it that everything is its own now. It lives on whatever becomes of this process.
    pub(crate) async fn go(mut self) {
        drop(self.child.0.take());
        // One that ended in this moment is beyond being told.
        let _ = self.link.write_all(&GO).await;
    }
}
