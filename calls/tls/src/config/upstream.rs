//! How a service is reached over TLS.

use std::path::PathBuf;

use rustls::pki_types::ServerName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{InvalidConfig, Protocol, check_protocols};

/// How a service is reached over TLS. Its certificate is always verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTlsConfig {
    /// Whom the certificate of the service is verified with: `system` for the authorities that the machine trusts, or
    /// the file with the authorities that count instead of them (PEM). Default: `system`.
    pub ca: CertificateAuthority,
    /// The name that is asked for and that the certificate must hold, where that is not the host of the endpoint.
    /// Default: the host of the endpoint.
    pub name: Option<String>,
    /// The file with the certificate by which we prove to the service who we are (mTLS; PEM). Default: none.
    pub client_cert: Option<PathBuf>,
    /// The file with its private key (PEM). Default: none.
    pub client_key: Option<PathBuf>,
    /// What is offered to be spoken inside of TLS, the best first. Default: `h2` and `http/1.1`.
    pub alpn: Vec<Protocol>,
}

/// Whom certificates are verified with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum CertificateAuthority {
    /// The authorities that the machine trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
    #[default]
    System,
    /// The authorities in this file, and no others.
    File(PathBuf),
}

impl From<String> for CertificateAuthority {
    fn from(text: String) -> Self {
        if text == SYSTEM { Self::System } else { Self::File(text.into()) }
    }
}

impl From<CertificateAuthority> for String {
    fn from(authority: CertificateAuthority) -> Self {
        match authority {
            CertificateAuthority::System => SYSTEM.to_owned(),
            CertificateAuthority::File(path) => path.to_string_lossy().into_owned(),
        }
    }
}

const SYSTEM: &str = "system";

impl Default for UpstreamTlsConfig {
    fn default() -> Self {
        Self {
            ca: CertificateAuthority::default(),
            name: None,
            client_cert: None,
            client_key: None,
            alpn: Protocol::all(),
        }
    }
}

impl UpstreamTlsConfig {
    /// Whether a service can be reached with it, as far as that can be said without reading the files that it names.
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let unless = InvalidConfig::unless;
        let names_a_file = |path: &PathBuf| !path.as_os_str().is_empty();
        if let CertificateAuthority::File(path) = &self.ca {
            unless(names_a_file(path), "ca", "`system`, or the path of a PEM file")?;
        }
        let valid = self.name.as_deref().is_none_or(|name| ServerName::try_from(name).is_ok());
        unless(valid, "name", "a host such as `shop.example`, or an address, without scheme and port")?;
        for (field, path, other, needed) in [
            (
                "client_cert",
                &self.client_cert,
                &self.client_key,
                "client_key is there and needs its certificate",
            ),
            (
                "client_key",
                &self.client_key,
                &self.client_cert,
                "client_cert is there and needs its private key",
            ),
        ] {
            unless(path.is_some() || other.is_none(), field, needed)?;
            unless(path.as_ref().is_none_or(names_a_file), field, "the path of a PEM file")?;
        }
        check_protocols(&self.alpn)
    }
}
