//! What a listener that terminates TLS shows, asks for and speaks.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{InvalidConfig, Protocol, TlsVersion, check_protocols};
use crate::certificates::HostPattern;
use crate::limits::CERTIFICATES_MAX;

/// What a listener that terminates TLS shows, asks for and speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// The certificates, at least one. The first is the one for clients that ask for no host, and for hosts that none
    /// is for, unless `unknown_host` says otherwise. Several may be for one host if their keys are of different kinds
    /// (ECDSA and RSA): a client is shown the first that it can verify.
    pub certificates: Vec<CertificateConfig>,
    /// What a client that asks for a host without a certificate, or for none, is answered. Default:
    /// `first-certificate`.
    pub unknown_host: UnknownHost,
    /// Whether clients prove who they are by a certificate (mTLS). Default: `none`.
    pub client_auth: ClientAuth,
    /// The file with the authorities that certificates of clients are verified with (PEM). Needed where `client_auth`
    /// is not `none`. Default: none.
    pub client_ca: Option<PathBuf>,
    /// The oldest version of TLS that is spoken, `1.2` or `1.3`. Default: `1.2`.
    pub min_version: TlsVersion,
    /// What is spoken inside of TLS, the best first. A client that names none is taken for HTTP/1.1. Default: `h2` and
    /// `http/1.1`.
    pub alpn: Vec<Protocol>,
}

/// A certificate with its key, and for which hosts it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateConfig {
    /// The file with the certificate, followed by those that connect it to an authority (PEM).
    pub cert: PathBuf,
    /// The file with its private key, not encrypted (PEM: PKCS#8, PKCS#1 or SEC1).
    pub key: PathBuf,
    /// For which hosts it is shown, such as `shop.example` or `*.shop.example` (any one label instead of the star).
    /// Default: those that it names itself.
    #[serde(default)]
    pub hosts: Vec<String>,
}

/// Whether clients prove who they are by a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuth {
    /// They are not asked.
    #[default]
    None,
    /// They are asked and may have none; one that does not hold ends the handshake.
    Optional,
    /// Without one there is no handshake.
    Required,
}

/// What a client that asks for a host without a certificate, or for none, is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownHost {
    /// It is shown the first certificate.
    #[default]
    FirstCertificate,
    /// The handshake ends: whoever only knows the address learns no name from it.
    Refuse,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            unknown_host: UnknownHost::default(),
            client_auth: ClientAuth::default(),
            client_ca: None,
            min_version: TlsVersion::default(),
            alpn: Protocol::all(),
        }
    }
}

impl TlsConfig {
    /// Whether a listener can work with it, as far as that can be said without reading the files that it names.
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let unless = InvalidConfig::unless;
        unless(!self.certificates.is_empty(), "certificates", "at least one, with `cert` and `key`")?;
        unless(self.certificates.len() <= CERTIFICATES_MAX, "certificates", "at most 10000")?;
        for (at, certificate) in self.certificates.iter().enumerate() {
            certificate.check(at)?;
        }
        let asks = self.client_auth != ClientAuth::None;
        unless(
            !asks || self.client_ca.is_some(),
            "client_ca",
            "needed where client_auth is `optional` or `required`: the file with the authorities of the clients",
        )?;
        unless(
            asks || self.client_ca.is_none(),
            "client_ca",
            "nobody is asked for a certificate: say `client_auth: required` or `optional`, or leave it out",
        )?;
        check_protocols(&self.alpn)
    }
}

impl CertificateConfig {
    fn check(&self, at: usize) -> Result<(), InvalidConfig> {
        for (field, path) in [("cert", &self.cert), ("key", &self.key)] {
            let field = format!("certificates[{at}].{field}");
            InvalidConfig::unless(!path.as_os_str().is_empty(), field, "the path of a PEM file")?;
        }
        for (nth, host) in self.hosts.iter().enumerate() {
            let field = || format!("certificates[{at}].hosts[{nth}]");
            HostPattern::parse(host)
                .map_err(|error| InvalidConfig { field: field(), problem: error.to_string() })?;
        }
        Ok(())
    }
}
