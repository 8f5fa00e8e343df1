//! Authorities and certificates made on the spot, files that hold them, and a handshake between both sides.

use std::io;
use std::path::{Path, PathBuf};

use mamparo_context::Clock;
use mamparo_tls::certificates::Accepted;
use mamparo_tls::connector::Connected;
use mamparo_tls::{
    CertificateAuthority, CertificateConfig, ConnectError, ServerTls, TlsConfig, UpstreamTls,
    UpstreamTlsConfig,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// An authority, and a folder in which it leaves what it issues.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, folder: tempfile::tempdir().unwrap() };
        std::fs::write(authority.ca(), authority.issuer.pem()).unwrap();
        authority
    }

    /// Where a file with this name is.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file with its own certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// Issues a certificate for these hosts, with a new key, into the files `<name>.pem` and `<name>.key`.
    pub(crate) fn issue(&self, name: &str, hosts: &[&str]) -> CertificateConfig {
        self.issue_with(name, hosts, |_| {})
    }

    /// The same, changed before it is issued.
    pub(crate) fn issue_with(
        &self,
        name: &str,
        hosts: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateConfig {
        self.issue_for(name, hosts, KeyPair::generate().unwrap(), change)
    }

    /// The same, for a key.
    pub(crate) fn issue_for(
        &self,
        name: &str,
        hosts: &[&str],
        key: KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateConfig {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let entry = CertificateConfig {
            cert: self.file(&format!("{name}.pem")),
            key: self.file(&format!("{name}.key")),
            hosts: Vec::new(),
        };
        std::fs::write(&entry.cert, certificate.pem()).unwrap();
        std::fs::write(&entry.key, key.serialize_pem()).unwrap();
        entry
    }

    /// Issues the certificate of a workload.
    pub(crate) fn issue_workload(&self, name: &str, uri: &str) -> CertificateConfig {
        let uri = SanType::URI(uri.try_into().unwrap());
        self.issue_with(name, &[], |params| params.subject_alt_names.push(uri))
    }

    /// Reaches a service that this authority has issued the certificate of.
    pub(crate) fn upstream(&self) -> UpstreamTlsConfig {
        UpstreamTlsConfig { ca: CertificateAuthority::File(self.ca()), ..UpstreamTlsConfig::default() }
    }

    /// The same, with a certificate of our own.
    pub(crate) fn upstream_as(&self, entry: &CertificateConfig) -> UpstreamTlsConfig {
        UpstreamTlsConfig {
            client_cert: Some(entry.cert.clone()),
            client_key: Some(entry.key.clone()),
            ..self.upstream()
        }
    }
}

pub(crate) fn listener(certificates: Vec<CertificateConfig>) -> TlsConfig {
    TlsConfig { certificates, ..TlsConfig::default() }
}

pub(crate) fn server(config: &TlsConfig) -> ServerTls {
    ServerTls::load(config, &Clock::system()).unwrap()
}

pub(crate) fn client(config: &UpstreamTlsConfig) -> UpstreamTls {
    UpstreamTls::load(config, &Clock::system()).unwrap()
}

/// Both ends of a connection.
pub(crate) struct Pair {
    pub(crate) server: Accepted<DuplexStream>,
    pub(crate) client: Connected<DuplexStream>,
}

impl Pair {
    /// Sends both ways, so that all that belongs to the handshake has arrived too.
    pub(crate) async fn talk(&mut self) {
        let mut buffer = [0; 4];
        self.client.stream.write_all(b"ping").await.unwrap();
        self.client.stream.flush().await.unwrap();
        self.server.stream.read_exact(&mut buffer).await.unwrap();
        self.server.stream.write_all(b"pong").await.unwrap();
        self.server.stream.flush().await.unwrap();
        self.client.stream.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"pong");
    }

    /// The file in the folder of `authority` that holds the certificate that the server has shown.
    pub(crate) fn shown(&self, authority: &Authority, names: &[&str]) -> String {
        let chain = self.client.stream.get_ref().1.peer_certificates().unwrap();
        let holds = |name: &&&str| leaf(&authority.file(&format!("{name}.pem"))) == *chain[0];
        (*names.iter().find(holds).unwrap()).to_string()
    }
}

/// The first certificate of a file, in DER.
pub(crate) fn leaf(file: &Path) -> Vec<u8> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::from_pem_file(file).unwrap().to_vec()
}

/// A handshake for `host`: what the server says of it, and what the client does.
pub(crate) async fn handshake(
    server: &ServerTls,
    client: &UpstreamTls,
    host: &str,
) -> (io::Result<Accepted<DuplexStream>>, Result<Connected<DuplexStream>, ConnectError>) {
    let (near, far) = duplex(64 * 1024);
    tokio::join!(server.accept(far), client.connect(near, host))
}

/// A handshake that must do.
pub(crate) async fn connect(server: &ServerTls, client: &UpstreamTls, host: &str) -> Pair {
    let (server, client) = handshake(server, client, host).await;
    let mut pair = Pair { server: server.unwrap(), client: client.unwrap() };
    pair.talk().await;
    pair
}
