//! TLS on the side of the server: which certificate a client is shown, what is asked of it, and how that changes while
//! connections live. A set of certificates is loaded whole and swapped at once; if anything in it is wrong, the one
//! before stays.

mod handshake;
mod hosts;
mod load;
mod resolver;
mod watch;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mamparo_context::{Clock, Timestamp};
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::TlsConfig;
use crate::error::{TlsError, Warning};

pub use handshake::{ClientCertificate, Handshake};
pub use hosts::{HostPattern, InvalidHost};
use load::Loaded;
pub(crate) use load::validity;
pub use watch::{FileStamp, Watch};

/// TLS as a server: certificates that are chosen by the host that a client asks for, and replaced while it serves.
/// A connection keeps what it was accepted with. Loading reads files: not on a thread that serves.
pub struct ServerTls {
    clock: Clock,
    /// They outlive a reload, so that clients may resume after it. A key of a ticket lives for six hours.
    tickets: Arc<dyn ProducesTickets>,
    current: ArcSwap<Loaded>,
}

/// A certificate that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownCertificate {
    /// The file with the certificate.
    pub cert: PathBuf,
    /// For which hosts it is shown. May be empty for the first one, which is for all others.
    pub hosts: Vec<HostPattern>,
    /// Until when it is valid.
    pub not_after: Timestamp,
}

/// A connection whose handshake is done.
#[derive(Debug)]
pub struct Accepted<IO> {
    /// What is inside of TLS.
    pub stream: TlsStream<IO>,
    /// What was agreed on, and who the client is.
    pub handshake: Handshake,
}

impl ServerTls {
    /// Reads and checks all that `config` names. Warnings are logged and kept (see [`warnings`](Self::warnings)).
    ///
    /// # Errors
    /// The first thing that is wrong, with its file.
    pub fn load(config: &TlsConfig, clock: &Clock) -> Result<Self, TlsError> {
        let tickets = Ticketer::new()?;
        let loaded = Loaded::read(config, clock, &tickets)?;
        Ok(Self { clock: clock.clone(), tickets, current: ArcSwap::from_pointee(loaded) })
    }

    /// Reads the same files again; connections from now on are accepted with what they hold.
    ///
    /// # Errors
    /// The first thing that is wrong. What was there before stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = self.current.load().config.clone();
        self.reconfigure(&config)
    }

    /// Puts another configuration in the place of the one before, for connections from now on.
    ///
    /// # Errors
    /// The first thing that is wrong. What was there before stays.
    pub fn reconfigure(&self, config: &TlsConfig) -> Result<(), TlsError> {
        let loaded = Loaded::read(config, &self.clock, &self.tickets)?;
        self.current.store(Arc::new(loaded));
        Ok(())
    }

    /// What accepts a connection as of now. Cheap; to be asked for again for each connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.load().server))
    }

    /// Accepts a connection. It has no time limit of its own.
    ///
    /// # Errors
    /// When the handshake fails; `rustls::Error` is inside where it is about TLS. The client was told by an alert.
    pub fn accept<IO>(&self, io: IO) -> impl Future<Output = io::Result<Accepted<IO>>> + use<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let accept = self.acceptor().accept(io);
        async move {
            let stream = accept.await?;
            let handshake = Handshake::of(stream.get_ref().1)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            Ok(Accepted { stream, handshake })
        }
    }

    /// Whether a certificate is for `host` itself, not only the one for all others.
    pub fn is_for(&self, host: &str) -> bool {
        self.current.load().is_for(host)
    }

    /// Whether a request for `host` may come over a connection whose client asked for `asked` (SNI): it is the same host,
    /// or one that the same certificate is for. A client that asked for no host may ask for all those that are shown
    /// the certificate it was shown.
    pub fn may_share(&self, asked: Option<&str>, host: &str) -> bool {
        if asked.is_some_and(|asked| asked.eq_ignore_ascii_case(host)) {
            return true;
        }
        let current = self.current.load();
        (asked.is_none() || current.is_for(host)) && current.shows_alike(asked, host)
    }

    /// The certificates that are shown, in the order of the configuration.
    pub fn certificates(&self) -> Vec<ShownCertificate> {
        self.current.load().certificates.clone()
    }

    /// What should be looked at, as of the last time that the files were read.
    pub fn warnings(&self) -> Vec<Warning> {
        self.current.load().warnings.clone()
    }

    /// How all its files look now: one look at the file system for each, no byte of them is read.
    pub fn stamps(&self) -> Vec<FileStamp> {
        load::stamps(&self.current.load().config)
    }

    /// Notices when [`stamps`](Self::stamps) differ from what they were before the files were read. After
    /// [`reconfigure`](Self::reconfigure) a new one is due.
    pub fn watch(&self) -> Watch {
        Watch::new(self.current.load().stamps.clone())
    }
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls")
            .field("certificates", &self.current.load().certificates)
            .finish_non_exhaustive()
    }
}
