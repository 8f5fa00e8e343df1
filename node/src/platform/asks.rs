//! What a running node is asked for, by whoever asks: a signal, the file, the admin socket.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::reload::Standing;

/// What a running node is asked for.
#[derive(Debug)]
pub(crate) enum Ask {
    /// To read its configuration again.
    Reload {
        why: &'static str,
        /// Who wants to know what came of it.
        answer: Option<oneshot::Sender<Arc<Standing>>>,
    },
    /// To finish what is under way and end.
    Drain,
    /// To let another program take over.
    Upgrade {
        /// Which one, if not the one at its own place.
        program: Option<PathBuf>,
        /// Who wants to know whether it has begun.
        answer: Option<oneshot::Sender<Result<(), String>>>,
    },
}

/// Questions that may wait.
const WAITING_MAX: usize = 16;

impl Ask {
    /// To read its configuration again; nobody waits for what comes of it.
    pub(crate) const fn reload(why: &'static str) -> Self {
        Self::Reload { why, answer: None }
    }
}

/// Where it is asked, and where it listens.
pub(crate) fn channel() -> (mpsc::Sender<Ask>, mpsc::Receiver<Ask>) {
    mpsc::channel(WAITING_MAX)
}

/// Hands signals on as questions (SIGHUP: reload, SIGUSR2: upgrade), until nobody listens any more.
pub(crate) fn listen_to_signals(asks: mpsc::Sender<Ask>) -> std::io::Result<()> {
    let (mut hangup, mut user) = (signal(SignalKind::hangup())?, signal(SignalKind::user_defined2())?);
    tokio::spawn(async move {
        loop {
            let ask = tokio::select! {
                _ = hangup.recv() => Ask::reload("SIGHUP"),
                _ = user.recv() => Ask::Upgrade { program: None, answer: None },
            };
            if asks.send(ask).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}
