//! What a running node is asked for, by whoever asks: a signal, the file, the admin socket.

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

/// Hands signals on as questions, until nobody listens any more.
pub(crate) fn listen_to_signals(asks: mpsc::Sender<Ask>) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() && asks.send(Ask::reload("SIGHUP")).await.is_ok() {}
    });
    Ok(())
}
