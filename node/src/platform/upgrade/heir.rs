//! The old process, seen from the new one: gives its sockets, is told when this one serves, and says when everything
//! is this one's own.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::HEIR_VARIABLE;
use crate::platform::sockets::{Named, receive};

/// What the new process says when it serves.
pub(super) const READY: [u8; 1] = *b"R";
/// What the old one answers when it leaves.
pub(super) const GO: [u8; 1] = *b"G";
/// How long the sockets may take to arrive.
const SOCKETS_TIME: Duration = Duration::from_secs(5);

/// A process that takes over from another one.
#[derive(Debug)]
pub(crate) struct Heir {
    link: UnixStream,
}

impl Heir {
    /// Whether this process takes over from another one, and the sockets that it gets.
    pub(crate) fn claim() -> io::Result<Option<(Self, Vec<Named>)>> {
        if std::env::var_os(HEIR_VARIABLE).is_none() {
            return Ok(None);
        }
        let link = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        link.set_read_timeout(Some(SOCKETS_TIME))?;
        let sockets = receive(&link)?;
        Ok(Some((Self { link }, sockets)))
    }

    /// Says that this process serves, and waits until the old one leaves. One that is gone has left.
    pub(crate) async fn serves(self) {
        match self.exchange().await {
            Ok(answer) if answer == GO => tracing::info!("the process before this one leaves"),
            _ => tracing::warn!("the process before this one is gone"),
        }
    }

    async fn exchange(self) -> io::Result<[u8; 1]> {
        self.link.set_nonblocking(true)?;
        let mut link = tokio::net::UnixStream::from_std(self.link)?;
        let mut answer = [0];
        link.write_all(&READY).await?;
        link.read_exact(&mut answer).await?;
        Ok(answer)
    }
}
