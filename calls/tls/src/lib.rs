//! What stands between a socket and HTTP. Bytes that arrive pass, in this order and each part on or off:
//!
//! 1. [`proxy_protocol`]: who the client is, as a balancer in front of us says it, believed from listed peers only;
//! 2. [`hello`]: which host a TLS client asks for, read without terminating TLS, to pass a connection through;
//! 3. [`certificates`]: TLS is terminated with the certificate of that host, and the client proves who it is;
//! 4. HTTP, which is not told here; and towards a service [`connector`], TLS as a client.
//!
//! Bytes that one part has read and the next one needs go through [`PrefixedIo`].
//!
//! - One implementation on every system: rustls, with aws-lc-rs for the cryptography, TLS 1.2 and 1.3, the key
//!   exchange that withstands quantum computers (X25519MLKEM768) first.
//! - A peer is always verified where TLS is spoken as a client: there is no option that turns it off.
//! - Early data (0-RTT) is off: it can be replayed. A client that authenticates by a certificate shows it on each
//!   connection: its sessions are not resumed, because a resumed session would outlive its certificate.

mod config;
mod error;
mod facts;
mod limits;
mod pem;
mod prefixed;
mod reader;
mod rules;

pub mod certificates;
pub mod connector;
pub mod hello;
pub mod proxy_protocol;

pub use certificates::{ClientCertificate, Handshake, ServerTls};
pub use config::{
    CertificateAuthority, CertificateConfig, ClientAuth, InvalidConfig, Protocol, TlsConfig, TlsVersion,
    UnknownHost, UpstreamTlsConfig,
};
pub use connector::UpstreamTls;
pub use error::{ConnectError, HandshakeError, TlsError, Warning};
pub use prefixed::PrefixedIo;
