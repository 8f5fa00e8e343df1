//! The sockets that this process listens on: passed on by the process before it or by systemd, or bound here. They are
//! kept at hand, so that they can be passed on to the process after it.

mod passing;
mod systemd;

use std::net::{SocketAddr, TcpListener};

pub(crate) use passing::{receive, send};
pub(crate) use systemd::{VARIABLES, notify, passed};

use crate::failure::Failure;
use crate::supervise::bind;

/// A socket that listens, and what it is called.
pub(crate) type Named = (String, TcpListener);

/// The sockets of this process.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    inherited: Vec<Named>,
    open: Vec<Named>,
}

impl Sockets {
    /// Sockets that somebody passed on.
    pub(crate) fn inherited(inherited: Vec<Named>) -> Self {
        Self { inherited, open: Vec::new() }
    }

    /// A socket that listens on `address`, which is called `what` in the configuration. One that was passed on is
    /// known by its address alone: who may reach it was checked for that.
    pub(crate) fn listen(&mut self, what: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
        let there = |(_, socket): &Named| socket.local_addr().is_ok_and(|own| own == address);
        let socket = match self.inherited.iter().position(there) {
            Some(index) => self.inherited.swap_remove(index).1,
            None => bind(what, address)?,
        };
        let name = what.strip_prefix("listeners.").unwrap_or(what).to_owned();
        self.open.push((name, socket.try_clone().map_err(Failure::other)?));
        Ok(socket)
    }

    /// Closes what was passed on and is not listened on any more.
    pub(crate) fn settle(&mut self) {
        for (name, socket) in self.inherited.drain(..) {
            let address = socket.local_addr().map(|address| address.to_string()).unwrap_or_default();
            tracing::warn!(name, address, "a socket that was passed on is in no `listeners`, and is closed");
        }
    }

    /// The same sockets once more, to pass them on.
    pub(crate) fn to_pass_on(&self) -> std::io::Result<Vec<Named>> {
        self.open.iter().map(|(name, socket)| Ok((name.clone(), socket.try_clone()?))).collect()
    }

    /// Closes them here. Whoever serves them has them still.
    pub(crate) fn close(&mut self) {
        self.open.clear();
    }
}
