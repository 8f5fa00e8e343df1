//! Which certificate a client is shown: one for the host that it asks for and that it can verify.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::hosts::{HostPattern, HostTable};

/// All certificates of a listener.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    hosts: HostTable<Entry>,
    all_others: Option<Arc<CertifiedKey>>,
}

#[derive(Debug)]
struct Entry {
    cert: PathBuf,
    identity: Arc<CertifiedKey>,
}

impl Resolver {
    /// Shows `identity` for hosts that nothing else is for, and to clients that ask for none.
    pub(super) fn show_to_all_others(&mut self, identity: Arc<CertifiedKey>) {
        self.all_others = Some(identity);
    }

    /// Shows `identity` for `host`.
    ///
    /// # Errors
    /// The file of the certificate that comes first and whose key is of the same kind: this one would never be shown.
    pub(super) fn insert(
        &mut self,
        host: &HostPattern,
        cert: &Path,
        identity: &Arc<CertifiedKey>,
    ) -> Result<(), PathBuf> {
        let entries = self.hosts.entry(host);
        let kind = identity.key.algorithm();
        if let Some(first) = entries.iter().find(|entry| entry.identity.key.algorithm() == kind) {
            return Err(first.cert.clone());
        }
        entries.push(Entry { cert: cert.into(), identity: Arc::clone(identity) });
        Ok(())
    }

    pub(super) fn is_for(&self, host: &str) -> bool {
        !self.hosts.find(host).is_empty()
    }

    /// Whether clients that ask for either of both are shown the same.
    pub(super) fn shows_alike(&self, one: Option<&str>, other: &str) -> bool {
        self.shown(one).eq(self.shown(Some(other)))
    }

    /// What may be shown to a client that asks for `host`.
    fn shown(&self, host: Option<&str>) -> impl Iterator<Item = *const CertifiedKey> {
        let entries = host.map_or(&[][..], |host| self.hosts.find(host));
        let all_others = self.all_others.as_ref().filter(|_| entries.is_empty());
        entries.iter().map(|entry| &entry.identity).chain(all_others).map(Arc::as_ptr)
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let entries = hello.server_name().map_or(&[][..], |name| self.hosts.find(name));
        let can_verify =
            |entry: &&Entry| entry.identity.key.choose_scheme(hello.signature_schemes()).is_some();
        // Where it can verify none, the first one lets the handshake say so.
        let entry = entries.iter().find(can_verify).or_else(|| entries.first());
        entry.map(|entry| &entry.identity).or(self.all_others.as_ref()).cloned()
    }
}
