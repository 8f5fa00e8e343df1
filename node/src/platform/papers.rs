//! The certificates in force, and their files: one that changes is read again and shown to new connections; one that is
//! wrong then leaves everything as it was.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mamparo_context::Clock;
use mamparo_tls::certificates::{FileStamp, Watch};
use mamparo_tls::{ServerTls, TlsConfig, TlsError, UpstreamTls};

use crate::failure::Failure;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// All that is read from files of certificates.
pub(crate) struct Papers {
    server: Option<Arc<ServerTls>>,
    upstream: Mutex<Vec<Arc<UpstreamTls>>>,
}

impl Papers {
    pub(crate) fn load(config: Option<&TlsConfig>, upstream: Vec<Arc<UpstreamTls>>) -> Result<Self, Failure> {
        let server = config.map(|config| ServerTls::load(config, &Clock::system()));
        let server = server.transpose().map_err(|error| unusable(&error))?.map(Arc::new);
        Ok(Self { server, upstream: Mutex::new(upstream) })
    }

    pub(crate) fn server(&self) -> Option<Arc<ServerTls>> {
        self.server.clone()
    }

    /// Puts other certificates in force. Whether there are any cannot change: that is a matter of who listens.
    pub(crate) fn reconfigure(&self, config: Option<&TlsConfig>) -> Result<(), Failure> {
        match (&self.server, config) {
            (Some(server), Some(config)) => server.reconfigure(config).map_err(|error| unusable(&error)),
            _ => Ok(()),
        }
    }

    /// These are looked after from now on.
    pub(crate) fn show(&self, upstream: Vec<Arc<UpstreamTls>>) {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = upstream;
    }

    fn upstream(&self) -> Vec<Arc<UpstreamTls>> {
        self.upstream.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn unusable(error: &TlsError) -> Failure {
    Failure::config_unusable(format!("the certificates cannot be used: {error}"), "correct `gateway.tls`")
}

/// Looks after the files as long as the process lives.
pub(crate) async fn follow(papers: Arc<Papers>) {
    let mut server = papers.server.as_ref().map(|server| server.watch());
    let mut watches: Vec<(Arc<UpstreamTls>, Watch)> = Vec::new();
    loop {
        tokio::time::sleep(LOOK).await;
        let papers = Arc::clone(&papers);
        let looked = tokio::task::spawn_blocking(move || {
            if let (Some(tls), Some(watch)) = (&papers.server, &mut server) {
                look(watch, tls.stamps(), || tls.reload());
            }
            let current = papers.upstream();
            watches.retain(|(tls, _)| current.iter().any(|one| Arc::ptr_eq(one, tls)));
            for tls in current {
                if !watches.iter().any(|(known, _)| Arc::ptr_eq(known, &tls)) {
                    let watch = tls.watch();
                    watches.push((tls, watch));
                }
            }
            for (tls, watch) in &mut watches {
                look(watch, tls.stamps(), || tls.reload());
            }
            (server, watches)
        });
        let Ok(after) = looked.await else { return };
        (server, watches) = after;
    }
}

fn look(watch: &mut Watch, stamps: Vec<FileStamp>, reload: impl FnOnce() -> Result<(), TlsError>) {
    if !watch.changed(&stamps) {
        return;
    }
    match reload() {
        Ok(()) => tracing::info!("certificates have changed and are in force"),
        Err(error) => {
            tracing::warn!(%error, "certificates have changed and cannot be used; the last ones stay")
        }
    }
}
