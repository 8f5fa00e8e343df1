//! What a proxy is started with.

use std::fmt;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;

use mamparo_context::{Clock, Random};
use mamparo_tls::ServerTls;

use crate::access::AccessLog;
use crate::limits::Limits;
use crate::route::Routing;

/// What a proxy is started with.
#[derive(Debug)]
pub struct Options {
    /// Threads that serve, each with a runtime and with connections to the services of its own.
    pub workers: NonZeroUsize,
    /// Its bounds.
    pub limits: Limits,
    /// Where requests go at first; [`Proxy::reconfigure`](crate::Proxy::reconfigure) replaces it.
    pub routing: Routing,
    /// Where lines about requests go, and which.
    pub access_log: AccessLog,
    /// What time it is.
    pub clock: Clock,
    /// Where trace ids come from.
    pub random: Random,
}

impl Options {
    /// A proxy with one worker per core, the default bounds, and this routing.
    pub fn new(routing: Routing) -> Self {
        Self {
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            limits: Limits::default(),
            routing,
            access_log: AccessLog::default(),
            clock: Clock::system(),
            random: Random::system(),
        }
    }
}

/// What a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The routes. Names of the mesh are refused with 401.
    Edge,
    /// Services by their name: a request whose host is `<service>.mamparo` goes to that service, whoever sends
    /// it. Opening this door is the explicit statement that whoever reaches it may call every service.
    Mesh,
    /// Names of the mesh where the host is one, the routes otherwise.
    Both,
}

/// A bound socket and what it serves.
#[derive(Debug)]
pub struct Listener {
    /// The socket; it is bound and listens.
    pub socket: TcpListener,
    /// What it serves.
    pub door: Door,
    /// What comes before HTTP.
    pub entry: Entry,
}

/// What a connection must say before it speaks HTTP.
#[derive(Clone, Default)]
pub struct Entry {
    /// TLS, with these certificates; nothing where HTTP comes as it is.
    pub tls: Option<Arc<ServerTls>>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("tls", &self.tls.is_some()).finish()
    }
}

impl From<TcpListener> for Listener {
    /// A listener that serves the routes.
    fn from(socket: TcpListener) -> Self {
        Self { socket, door: Door::Edge, entry: Entry::default() }
    }
}
