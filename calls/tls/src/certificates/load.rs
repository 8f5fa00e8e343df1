//! Reads all that a listener needs, checks that it fits together, and makes the one immutable value out of it that
//! connections are accepted with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mamparo_context::{Clock, Timestamp};
use rustls::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ProducesTickets, VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use super::ShownCertificate;
use super::hosts::HostPattern;
use super::resolver::Resolver;
use super::watch::FileStamp;
use crate::config::{CertificateConfig, ClientAuth, InvalidConfig, Protocol, TlsConfig, UnknownHost};
use crate::error::{TlsError, Warning};
use crate::facts::Facts;
use crate::{pem, rules};

/// All that a connection is accepted with.
pub(super) struct Loaded {
    pub(super) config: TlsConfig,
    pub(super) server: Arc<ServerConfig>,
    pub(super) certificates: Vec<ShownCertificate>,
    pub(super) warnings: Vec<Warning>,
    /// How the files looked before they were read: what changes afterwards is seen.
    pub(super) stamps: Vec<FileStamp>,
    resolver: Arc<Resolver>,
}

impl Loaded {
    pub(super) fn read(
        config: &TlsConfig,
        clock: &Clock,
        tickets: &Arc<dyn ProducesTickets>,
    ) -> Result<Self, TlsError> {
        config.check()?;
        let stamps = stamps(config);
        let mut table =
            Table { resolver: Resolver::default(), certificates: Vec::new(), warnings: Vec::new() };
        for (at, entry) in config.certificates.iter().enumerate() {
            let shown_to_all_others = at == 0 && config.unknown_host == UnknownHost::FirstCertificate;
            table.add(entry, shown_to_all_others, clock.wall())?;
        }
        let resolver = Arc::new(table.resolver);
        let server = Arc::new(server_config(config, clock, tickets, &resolver)?);
        for warning in &table.warnings {
            tracing::warn!(%warning, "a certificate should be looked at");
        }
        let (certificates, warnings) = (table.certificates, table.warnings);
        Ok(Self { config: config.clone(), server, certificates, warnings, stamps, resolver })
    }

    pub(super) fn is_for(&self, host: &str) -> bool {
        self.resolver.is_for(host)
    }

    pub(super) fn shows_alike(&self, one: Option<&str>, other: &str) -> bool {
        self.resolver.shows_alike(one, other)
    }
}

/// How all files of a configuration look now.
pub(super) fn stamps(config: &TlsConfig) -> Vec<FileStamp> {
    let pairs = config.certificates.iter().flat_map(|entry| [&entry.cert, &entry.key]);
    pairs.chain(&config.client_ca).map(|path| FileStamp::of(path)).collect()
}

/// What grows while certificate by certificate is read.
struct Table {
    resolver: Resolver,
    certificates: Vec<ShownCertificate>,
    warnings: Vec<Warning>,
}

impl Table {
    fn add(
        &mut self,
        entry: &CertificateConfig,
        for_all_others: bool,
        now: Timestamp,
    ) -> Result<(), TlsError> {
        let identity = Arc::new(pem::identity(&entry.cert, &entry.key)?);
        let facts = facts(&entry.cert, &identity)?;
        self.warnings.extend(validity(&entry.cert, &facts, now));
        let mut hosts = hosts(entry, &facts)?;
        if hosts.is_empty() && !for_all_others {
            return Err(TlsError::NoHosts { cert: entry.cert.clone() });
        }
        if for_all_others {
            self.resolver.show_to_all_others(Arc::clone(&identity));
        }
        hosts.retain(|host| match self.resolver.insert(host, &entry.cert, &identity) {
            Ok(()) => true,
            Err(first) => {
                let (cert, host) = (entry.cert.clone(), host.to_string());
                self.warnings.push(Warning::Shadowed { cert, host, first });
                false
            }
        });
        let cert = entry.cert.clone();
        self.certificates.push(ShownCertificate { cert, hosts, not_after: facts.not_after });
        Ok(())
    }
}

fn facts(cert: &Path, identity: &CertifiedKey) -> Result<Facts, TlsError> {
    let malformed = |problem| TlsError::MalformedCertificate { file: PathBuf::from(cert), nth: 1, problem };
    let leaf = identity.end_entity_cert().map_err(|error| malformed(error.to_string()))?;
    Facts::read(leaf).map_err(malformed)
}

/// What is wrong with the time for which a certificate is valid.
pub(crate) fn validity(cert: &Path, facts: &Facts, now: Timestamp) -> Option<Warning> {
    let cert = PathBuf::from(cert);
    if now > facts.not_after {
        Some(Warning::Expired { cert, at: facts.not_after })
    } else if now < facts.not_before {
        Some(Warning::NotYetValid { cert, at: facts.not_before })
    } else {
        None
    }
}

/// The hosts that a certificate is shown for.
fn hosts(entry: &CertificateConfig, facts: &Facts) -> Result<Vec<HostPattern>, TlsError> {
    // A name that is no host cannot be asked for either.
    let named: Vec<HostPattern> = facts.dns.iter().filter_map(|name| HostPattern::parse(name).ok()).collect();
    if entry.hosts.is_empty() {
        return Ok(named);
    }
    let mut hosts = Vec::with_capacity(entry.hosts.len());
    for text in &entry.hosts {
        let host = HostPattern::parse(text).map_err(|error| {
            TlsError::Config(InvalidConfig { field: "hosts".to_owned(), problem: error.to_string() })
        })?;
        if !named.iter().any(|name| name.covers(&host)) {
            let names = match facts.dns.is_empty() {
                true => "no host at all".to_owned(),
                false => facts.dns.join(", "),
            };
            return Err(TlsError::NotForHost { cert: entry.cert.clone(), host: text.clone(), names });
        }
        hosts.push(host);
    }
    Ok(hosts)
}

fn server_config(
    config: &TlsConfig,
    clock: &Clock,
    tickets: &Arc<dyn ProducesTickets>,
    resolver: &Arc<Resolver>,
) -> Result<ServerConfig, TlsError> {
    let time = Arc::new(rules::Time(clock.clone()));
    let builder = ServerConfig::builder_with_details(Arc::clone(rules::provider()), time)
        .with_protocol_versions(rules::versions(config.min_version))?;
    let builder = match client_verifier(config)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut server = builder.with_cert_resolver(Arc::clone(resolver) as _);
    server.alpn_protocols = Protocol::on_the_wire(&config.alpn);
    server.max_early_data_size = 0;
    if config.client_auth == ClientAuth::None {
        server.ticketer = Arc::clone(tickets);
    } else {
        // A resumed session is not verified again: it would outlive the certificate and the authority of its client.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
    }
    Ok(server)
}

fn client_verifier(config: &TlsConfig) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let Some(file) = &config.client_ca else { return Ok(None) };
    let roots = Arc::new(pem::authorities(file)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(rules::provider()));
    let builder = match config.client_auth {
        ClientAuth::None => return Ok(None),
        ClientAuth::Optional => builder.allow_unauthenticated(),
        ClientAuth::Required => builder,
    };
    let unusable = |error: VerifierBuilderError| TlsError::UnusableAuthority {
        file: file.clone(),
        nth: 1,
        problem: error.to_string(),
    };
    builder.build().map(Some).map_err(unusable)
}
