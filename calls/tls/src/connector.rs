//! TLS on the side of the client, towards a service: whom its certificate is verified with, which name it must hold,
//! and how we prove who we are. Verification cannot be turned off.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mamparo_context::Clock;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificates::{FileStamp, Watch, validity};
use crate::config::{CertificateAuthority, Protocol, TlsVersion, UpstreamTlsConfig};
use crate::error::{ConnectError, TlsError, Warning};
use crate::facts::Facts;
use crate::{pem, rules};

/// TLS as a client towards one service. Sessions are resumed; connections keep what they were made with.
/// Loading reads files: not on a thread that serves.
pub struct UpstreamTls {
    clock: Clock,
    current: ArcSwap<Loaded>,
}

struct Loaded {
    config: UpstreamTlsConfig,
    /// The name that is asked for in place of the host of the endpoint.
    name: Option<ServerName<'static>>,
    client: Arc<ClientConfig>,
    warnings: Vec<Warning>,
    stamps: Vec<FileStamp>,
}

/// A connection whose handshake is done: the service has proven that it is the one that was asked for.
#[derive(Debug)]
pub struct Connected<IO> {
    /// What is inside of TLS.
    pub stream: TlsStream<IO>,
    /// What is spoken inside; nothing when the service chose nothing, which means HTTP/1.1.
    pub alpn: Option<Protocol>,
}

impl UpstreamTls {
    /// Reads and checks all that `config` names.
    ///
    /// # Errors
    /// The first thing that is wrong, with its file.
    pub fn load(config: &UpstreamTlsConfig, clock: &Clock) -> Result<Self, TlsError> {
        let loaded = Loaded::read(config, clock)?;
        Ok(Self { clock: clock.clone(), current: ArcSwap::from_pointee(loaded) })
    }

    /// Reads the same files again, for connections from now on.
    ///
    /// # Errors
    /// The first thing that is wrong. What was there before stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = self.current.load().config.clone();
        self.current.store(Arc::new(Loaded::read(&config, &self.clock)?));
        Ok(())
    }

    /// Shakes hands over `io` with the service at `host`, a name or an address without a port. It has no time limit of
    /// its own.
    ///
    /// # Errors
    /// When `host` is neither, and when the handshake fails. Nothing of a request was sent in either case.
    pub fn connect<IO>(
        &self,
        io: IO,
        host: &str,
    ) -> impl Future<Output = Result<Connected<IO>, ConnectError>> + use<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let loaded = self.current.load();
        let name = match &loaded.name {
            Some(name) => Ok(name.clone()),
            None => ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::Name(host.to_owned())),
        };
        let connector = TlsConnector::from(Arc::clone(&loaded.client));
        async move {
            let name = name?;
            let failed = |source| ConnectError::Handshake { name: name.to_str().into_owned(), source };
            let stream = connector.connect(name.clone(), io).await.map_err(failed)?;
            let alpn = stream.get_ref().1.alpn_protocol().and_then(Protocol::from_wire);
            Ok(Connected { stream, alpn })
        }
    }

    /// What should be looked at, as of the last time that the files were read.
    pub fn warnings(&self) -> Vec<Warning> {
        self.current.load().warnings.clone()
    }

    /// How all its files look now.
    pub fn stamps(&self) -> Vec<FileStamp> {
        stamps(&self.current.load().config)
    }

    /// Notices when [`stamps`](Self::stamps) differ from what they were before the files were read.
    pub fn watch(&self) -> Watch {
        Watch::new(self.current.load().stamps.clone())
    }
}

impl std::fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamTls").field("config", &self.current.load().config).finish_non_exhaustive()
    }
}

impl Loaded {
    fn read(config: &UpstreamTlsConfig, clock: &Clock) -> Result<Self, TlsError> {
        config.check()?;
        let stamps = stamps(config);
        let roots = match &config.ca {
            CertificateAuthority::System => system_roots()?,
            CertificateAuthority::File(file) => pem::authorities(file)?,
        };
        let time = Arc::new(rules::Time(clock.clone()));
        let builder = ClientConfig::builder_with_details(Arc::clone(rules::provider()), time)
            .with_protocol_versions(rules::versions(TlsVersion::V1_2))?
            .with_root_certificates(roots);
        let mut warnings = Vec::new();
        let mut client = match (&config.client_cert, &config.client_key) {
            (Some(cert), Some(key)) => {
                builder.with_client_cert_resolver(identity(cert, key, clock, &mut warnings)?)
            }
            _ => builder.with_no_client_auth(),
        };
        client.alpn_protocols = Protocol::on_the_wire(&config.alpn);
        for warning in &warnings {
            tracing::warn!(%warning, "a certificate should be looked at");
        }
        // `check` has tried it already.
        let name = config.name.clone().and_then(|name| ServerName::try_from(name).ok());
        Ok(Self { config: config.clone(), name, client: Arc::new(client), warnings, stamps })
    }
}

fn identity(
    cert: &Path,
    key: &Path,
    clock: &Clock,
    warnings: &mut Vec<Warning>,
) -> Result<Arc<dyn ResolvesClientCert>, TlsError> {
    let identity = pem::identity(cert, key)?;
    let malformed = |problem| TlsError::MalformedCertificate { file: cert.into(), nth: 1, problem };
    let leaf = identity.end_entity_cert().map_err(|error| malformed(error.to_string()))?;
    let facts = Facts::read(leaf).map_err(malformed)?;
    warnings.extend(validity(cert, &facts, clock.wall()));
    Ok(Arc::new(SingleCertAndKey::from(identity)))
}

/// The authorities that the machine trusts. What cannot be parsed is passed over: a store of a system holds oddities
/// that are none of our user's doing.
fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let problem = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(TlsError::NoSystemRoots { problem });
    }
    Ok(roots)
}

fn stamps(config: &UpstreamTlsConfig) -> Vec<FileStamp> {
    let ca = match &config.ca {
        CertificateAuthority::System => None,
        CertificateAuthority::File(path) => Some(path),
    };
    [ca, config.client_cert.as_ref(), config.client_key.as_ref()]
        .into_iter()
        .flatten()
        .map(|path| FileStamp::of(path))
        .collect()
}
