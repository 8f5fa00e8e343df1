//! What can be wrong with certificates and with the files that hold them, and what to do about it.

use std::io;
use std::path::PathBuf;

use mamparo_context::Timestamp;

use crate::config::InvalidConfig;

/// Why TLS cannot be set up. Each names the file, what is wrong with it, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A value of the configuration is wrong.
    #[error("tls: {0}")]
    Config(#[from] InvalidConfig),
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}; name a PEM file that this process may read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is far larger than one of certificates ever is.
    #[error("{}: larger than {limit} bytes; name the file that holds only {what}", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// The largest that is read, in bytes.
        limit: u64,
    },
    /// A file is no PEM, or holds something else.
    #[error(
        "{}: holds no {what} in PEM ({problem}); it must have a line `-----BEGIN {label}-----`; a file in DER can be \
         converted by `openssl {tool} -inform der`",
        file.display()
    )]
    NotPem {
        /// The file.
        file: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// The label that such a section begins with.
        label: &'static str,
        /// The subcommand of openssl that converts it.
        tool: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A key is protected by a password that we do not have.
    #[error("{}: the private key is encrypted; decrypt it with `openssl pkey -in FILE -out FILE`", file.display())]
    EncryptedKey {
        /// The file.
        file: PathBuf,
    },
    /// What stands in the PEM is no certificate.
    #[error("{}: certificate {nth} cannot be parsed: {problem}; have it issued again", file.display())]
    MalformedCertificate {
        /// The file.
        file: PathBuf,
        /// Which certificate of the file, from 1.
        nth: usize,
        /// What is wrong.
        problem: String,
    },
    /// What stands in the PEM is no key that can sign.
    #[error(
        "{}: the private key cannot be used: {problem}; use ECDSA (P-256, P-384), Ed25519, or RSA of 2048 bits or more",
        file.display()
    )]
    UnusableKey {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A key and a certificate do not belong together.
    #[error(
        "{}: is not the key of {}; name the key that the certificate was issued for, and let the file begin with the \
         certificate of the host, not with that of an authority",
        key.display(), cert.display()
    )]
    KeyMismatch {
        /// The file with the certificate.
        cert: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// A certificate is to be shown for a host that it does not name: every client would refuse it.
    #[error(
        "{}: is not for the host `{host}`, but for {names}; have it issued for that host too, or take the host from \
         `hosts`",
        cert.display()
    )]
    NotForHost {
        /// The file with the certificate.
        cert: PathBuf,
        /// The host.
        host: String,
        /// The hosts that it is for.
        names: String,
    },
    /// A certificate that would never be shown.
    #[error(
        "{}: names no host (no DNS name among its subject alternative names), so that it would never be shown; have it \
         issued for its host, or put it first",
        cert.display()
    )]
    NoHosts {
        /// The file with the certificate.
        cert: PathBuf,
    },
    /// A certificate in a file of authorities cannot be one.
    #[error("{}: certificate {nth} cannot be an authority: {problem}", file.display())]
    UnusableAuthority {
        /// The file.
        file: PathBuf,
        /// Which certificate of the file, from 1.
        nth: usize,
        /// What is wrong.
        problem: String,
    },
    /// The machine trusts no authority.
    #[error(
        "ca: system: no certificate authorities were found on this machine{problem}; install the package \
         `ca-certificates`, or name a file"
    )]
    NoSystemRoots {
        /// What was met while looking.
        problem: String,
    },
    /// The library refuses what it was given.
    #[error("tls: {0}")]
    Library(#[from] rustls::Error),
}

/// What does not keep TLS from working for everybody, but should be looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// Clients will refuse it.
    #[error("{}: the certificate has expired at {at}; renew it", cert.display())]
    Expired {
        /// The file with the certificate.
        cert: PathBuf,
        /// The last moment at which it was valid.
        at: Timestamp,
    },
    /// Clients will refuse it for now.
    #[error("{}: the certificate is valid from {at} on only; look at the clock of this machine", cert.display())]
    NotYetValid {
        /// The file with the certificate.
        cert: PathBuf,
        /// The first moment at which it is valid.
        at: Timestamp,
    },
    /// Another one comes first.
    #[error(
        "{}: not shown for `{host}`, because {} comes first and its key is of the same kind; say with `hosts` which one \
         is for which host",
        cert.display(), first.display()
    )]
    Shadowed {
        /// The file with the certificate that is not shown.
        cert: PathBuf,
        /// The host.
        host: String,
        /// The file with the certificate that is shown.
        first: PathBuf,
    },
}

/// Why a client that finished its handshake is not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Its certificate was verified, but what stands in it cannot be read.
    #[error("the certificate of the client cannot be parsed: {0}")]
    ClientCertificate(String),
}

/// Why a service was not reached over TLS. Nothing of a request was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A host that no certificate can be for.
    #[error("`{0}` is neither the name of a host nor an address")]
    Name(String),
    /// The handshake failed: the certificate does not hold, nothing in common is spoken, or the connection broke.
    #[error("TLS with `{name}`: {source}")]
    Handshake {
        /// The name that was asked for.
        name: String,
        /// What happened. [`rustls::Error`] is inside where it is about TLS.
        source: io::Error,
    },
}
