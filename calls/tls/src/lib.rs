//! What stands between a socket and HTTP: TLS is terminated with the certificate of the host that a client asks for
//! ([`certificates`]), and spoken as a client towards a service ([`connector`]).
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
mod rules;

pub mod certificates;
pub mod connector;

pub use certificates::{ClientCertificate, Handshake, ServerTls};
pub use config::{
    CertificateAuthority, CertificateConfig, ClientAuth, InvalidConfig, Protocol, TlsConfig, TlsVersion,
    UnknownHost, UpstreamTlsConfig,
};
pub use connector::UpstreamTls;
pub use error::{ConnectError, HandshakeError, TlsError, Warning};
