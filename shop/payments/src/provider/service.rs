//! The provider as a whole: its ledger and its HTTP face.

use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use mamparo_context::Random;
use mamparo_ledger::{Ledger, OpenError};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::api::{self, Face};
use super::{Behaviour, charges};

/// What the provider needs.
pub struct Options {
    /// A folder of its own; its ledger is made in it.
    pub data: PathBuf,
    /// Where it serves HTTP.
    pub listener: TcpListener,
    /// How it behaves, until it is told otherwise.
    pub behaviour: Behaviour,
    /// What its choices are drawn from.
    pub random: Random,
}

/// A provider that is open and does not run yet.
pub struct Service {
    face: Face,
    listener: TcpListener,
}

/// Opens the provider and runs it until `shutdown` ends.
///
/// # Errors
/// Its ledger cannot be opened.
pub async fn run(options: Options, shutdown: impl Future<Output = ()> + Send) -> Result<(), OpenError> {
    Service::open(options).await?.run(shutdown).await;
    Ok(())
}

impl Service {
    /// Opens its ledger.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let Options { data, listener, behaviour, random } = options;
        let ledger = mamparo_ledger_sqlite::Options::new(data.join("provider.db")).open()?;
        ledger.migrate(charges::MIGRATIONS).await?;
        Ok(Self { face: Face { ledger, behaviour: Arc::new(RwLock::new(behaviour)), random }, listener })
    }

    /// Its ledger, for the admin face.
    pub fn ledger(&self) -> &Ledger {
        &self.face.ledger
    }

    /// Runs until `shutdown` ends: then it takes no more requests, finishes those it has within 5 s, and closes its
    /// ledger.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let Self { face, listener } = self;
        let (ready, is_ready) = watch::channel(true);
        let router = api::router(face.clone()).merge(mamparo_shop_http::health("card-provider", is_ready));
        let stop = async {
            shutdown.await;
            ready.send_replace(false);
        };
        mamparo_shop_http::serve(listener, router, stop).await;
        face.ledger.close().await;
    }
}
