//! What a handshake has shown: what is spoken inside, which host was asked for, who the client is.

use aws_lc_rs::digest::{SHA256, digest};
use mamparo_context::Timestamp;
use rustls::ServerConnection;

use crate::config::Protocol;
use crate::error::HandshakeError;
use crate::facts::Facts;

/// What a handshake has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// What is spoken inside; nothing when the client named nothing, which means HTTP/1.1.
    pub alpn: Option<Protocol>,
    /// The host that the client asked for (SNI), in lower case.
    pub server_name: Option<String>,
    /// Who the client is, if it has shown a certificate. It was verified with the authorities of the listener.
    pub client: Option<ClientCertificate>,
}

/// The certificate by which a client has proven who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Its subject in the form of RFC 4514, such as `CN=orders,O=Shop`, for people. Who may do what is decided by the
    /// names below, which an authority has to vouch for one by one.
    pub subject: String,
    /// The DNS names that it is for.
    pub dns: Vec<String>,
    /// The URIs that it is for.
    pub uris: Vec<String>,
    /// The SHA-256 of the certificate in DER.
    pub fingerprint_sha256: [u8; 32],
    /// Until when it is valid. A connection may live longer.
    pub not_after: Timestamp,
}

impl Handshake {
    /// What the handshake of `connection` has shown. It must be done.
    ///
    /// # Errors
    /// When the certificate of the client cannot be read. Such a client must not be served: nobody knows who it is.
    pub fn of(connection: &ServerConnection) -> Result<Self, HandshakeError> {
        let leaf = connection.peer_certificates().and_then(|chain| chain.first());
        Ok(Self {
            alpn: connection.alpn_protocol().and_then(Protocol::from_wire),
            server_name: connection.server_name().map(str::to_ascii_lowercase),
            client: leaf.map(|der| ClientCertificate::read(der)).transpose()?,
        })
    }
}

impl ClientCertificate {
    fn read(der: &[u8]) -> Result<Self, HandshakeError> {
        let facts = Facts::read(der).map_err(HandshakeError::ClientCertificate)?;
        let mut fingerprint_sha256 = [0; 32];
        let hash = digest(&SHA256, der);
        fingerprint_sha256.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        Ok(Self {
            subject: facts.subject,
            dns: facts.dns,
            uris: facts.uris,
            fingerprint_sha256,
            not_after: facts.not_after,
        })
    }

    /// The workload that it is for: its one URI, if that is a SPIFFE ID. A certificate with several URIs is none of a
    /// workload (SPIFFE X509-SVID, section 2).
    pub fn spiffe_id(&self) -> Option<&str> {
        match self.uris.as_slice() {
            [uri] if uri.starts_with("spiffe://") => Some(uri),
            _ => None,
        }
    }
}
