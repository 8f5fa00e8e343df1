//! Another program in place of this one, without a request that fails: it gets the sockets, says when it is ready, and
//! only then this one leaves. Decides when that is possible, and what becomes of a program that does not get ready.

mod heir;
mod successor;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

pub(crate) use heir::Heir;
use serde_json::{Value, json};
pub(crate) use successor::Successor;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::sockets::Named;

/// Set for a program that is to take over: its standard input is the socket to the one before it.
const HEIR_VARIABLE: &str = "MAMPARO_HEIR";

/// How an upgrade stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There is none.
    None,
    /// The new program is starting.
    Starting(PathBuf),
    /// The new program did not get ready: why. This one serves on.
    Failed(String),
    /// The new process serves, and this one finishes what is under way.
    Leaving(u32),
}

impl State {
    pub(crate) fn report(&self) -> Value {
        match self {
            Self::None => json!({ "state": "none" }),
            Self::Starting(program) => json!({ "state": "starting", "program": program }),
            Self::Failed(why) => json!({ "state": "failed", "why": why }),
            Self::Leaving(pid) => json!({ "state": "leaving", "pid": pid }),
        }
    }
}

/// The upgrades of this process, one at a time.
#[derive(Debug)]
pub(crate) struct Upgrades {
    refusal: Option<&'static str>,
    state: watch::Sender<State>,
    starting: Option<JoinHandle<Result<Successor, String>>>,
}

impl Upgrades {
    /// `refusal` says why this process can have none.
    pub(crate) fn new(refusal: Option<&'static str>) -> Self {
        Self { refusal, state: watch::Sender::new(State::None), starting: None }
    }

    /// How it stands, now and later.
    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Starts `program`, or the one that lies where this one lay when it was started, and passes `sockets` on;
    /// it has so much `time` until it is ready.
    ///
    /// # Errors
    /// That is not possible: why.
    pub(crate) fn begin(
        &mut self,
        program: Option<PathBuf>,
        sockets: std::io::Result<Vec<Named>>,
        time: Duration,
    ) -> Result<(), String> {
        if let Some(refusal) = self.refusal {
            return Err(refusal.to_owned());
        }
        if self.starting.is_some() {
            return Err("an upgrade is under way already".into());
        }
        let program =
            program.or_else(|| own_program().cloned()).ok_or("nobody knows where this program lies")?;
        let sockets = sockets.map_err(|error| error.to_string())?;
        tracing::info!(program = %program.display(), "upgrade: the new program is started");
        self.state.send_replace(State::Starting(program.clone()));
        self.starting = Some(tokio::spawn(Successor::start(program, sockets, time)));
        Ok(())
    }

    /// Waits until the program that is starting is ready, or is given up; for ever when none is.
    ///
    /// Cancel safe.
    pub(crate) async fn done(&mut self) -> Option<Successor> {
        let Some(starting) = &mut self.starting else { return std::future::pending().await };
        let done = starting.await.unwrap_or_else(|error| Err(error.to_string()));
        self.starting = None;
        match done {
            Ok(successor) => {
                self.state.send_replace(State::Leaving(successor.pid()));
                Some(successor)
            }
            Err(why) => {
                tracing::error!(why, "upgrade: the new program did not get ready, this one serves on");
                self.state.send_replace(State::Failed(why));
                None
            }
        }
    }
}

impl Drop for Upgrades {
    fn drop(&mut self) {
        // With its task a program that is not ready yet ends, too.
        if let Some(starting) = &self.starting {
            starting.abort();
        }
    }
}

static OWN_PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();

/// Where this program lay when it was first asked for: as it was called, so that a link to the current version is
/// followed anew, or as the system knows it.
pub(crate) fn own_program() -> Option<&'static PathBuf> {
    let find = || {
        let called = std::env::args_os().next().map(PathBuf::from);
        let called = called.filter(|path| path.components().count() > 1 && path.is_file());
        called.and_then(|path| std::path::absolute(path).ok()).or_else(|| std::env::current_exe().ok())
    };
    OWN_PROGRAM.get_or_init(find).as_ref()
}
