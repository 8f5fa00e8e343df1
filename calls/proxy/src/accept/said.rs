//! What the first bytes of a connection say before anything in it is a request: who its client is, as a balancer says
//! it, and which host a TLS client asks for. Nothing is waited for here longer than the caller waits.

use std::io;
use std::net::SocketAddr;

use mamparo_tls::PrefixedIo;
use mamparo_tls::hello::{self, ClientHello};
use mamparo_tls::proxy_protocol::{self, Parsed};
use tokio::io::AsyncRead;

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The client at this address.
    Client(SocketAddr),
    /// The balancer's own.
    Itself,
    /// Nobody's: it ended before its first byte, as a balancer does that only looks whether somebody listens.
    Gone,
}

/// Why a connection does not begin with a header of the PROXY protocol.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoSource {
    #[error("it begins with something else")]
    Absent,
    #[error("{0}")]
    Malformed(&'static str),
    #[error("it ended within")]
    Ended,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Takes the header away that the connection must begin with. It is bounded by what [`proxy_protocol::parse`] reads.
pub(super) async fn source<S: AsyncRead + Unpin>(stream: &mut PrefixedIo<S>) -> Result<Source, NoSource> {
    // What came first is there already.
    let mut read = stream.ahead().len();
    loop {
        if read == 0 || matches!(proxy_protocol::parse(stream.ahead()), Parsed::Incomplete) {
            read = stream.fill().await?;
        }
        match proxy_protocol::parse(stream.ahead()) {
            Parsed::Header { addresses, consumed } => {
                stream.consume(consumed);
                return Ok(addresses.map_or(Source::Itself, |both| Source::Client(both.source)));
            }
            Parsed::Absent => return Err(NoSource::Absent),
            Parsed::Malformed(why) => return Err(NoSource::Malformed(why)),
            Parsed::Incomplete if read > 0 => {}
            Parsed::Incomplete if stream.ahead().is_empty() => return Ok(Source::Gone),
            Parsed::Incomplete => return Err(NoSource::Ended),
        }
    }
}

/// The host that a TLS client asks for; nothing where it asks for none, or is none. Nothing is taken away.
pub(super) async fn host<S: AsyncRead + Unpin>(stream: &mut PrefixedIo<S>) -> Option<String> {
    loop {
        match ClientHello::parse(stream.ahead()) {
            hello::Parsed::Hello(hello) => return hello.server_name,
            hello::Parsed::NotTls => return None,
            hello::Parsed::Incomplete => {
                if stream.fill().await.ok()? == 0 {
                    return None;
                }
            }
        }
    }
}
