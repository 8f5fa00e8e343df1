//! Sees to it that every payment which waits for the provider is asked for, one question at a time, until the
//! provider has said what became of it.
//!
//! A charge whose answer was lost, or that another life of this process may have sent, is *in doubt*: it is looked
//! up, and sent again under its key if the provider does not know it. A payment in doubt never counts as failed.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use mamparo_aggregate::Repository;
use mamparo_ledger::{Ledger, ReadError, Tx};
use tokio::task::{Id, JoinError, JoinSet};

use crate::asking::Provider;
use crate::card::{self, Asked};
use crate::limits::{ASK_AGAIN_MAX, ASK_AGAIN_MIN, CARDS_AT_ONCE_MAX};
use crate::payment::{Standing, Told};
use crate::settle;
use crate::store::{Payment, waiting};
use crate::wallet::Wallets;

/// What asking needs.
#[derive(Clone)]
struct Desk {
    ledger: Ledger,
    wallets: Repository<Wallets>,
    provider: Provider,
}

/// Asks the provider for every payment that waits, until it is stopped.
pub(crate) struct Charger {
    desk: Desk,
    jobs: JoinSet<()>,
    ids: HashMap<Id, String>,
    under_way: HashSet<String>,
    /// Payments that somebody else may have sent already.
    doubtful: HashSet<String>,
}

impl Charger {
    /// What is waiting already was left by another life of this process, so it is in doubt.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(crate) async fn open(
        ledger: Ledger,
        wallets: Repository<Wallets>,
        provider: Provider,
    ) -> Result<Self, ReadError> {
        let doubtful = waiting(&ledger, mamparo_ledger::limits::PAGE_MAX).await?.into_iter().collect();
        let desk = Desk { ledger, wallets, provider };
        Ok(Self { desk, jobs: JoinSet::new(), ids: HashMap::new(), under_way: HashSet::new(), doubtful })
    }

    /// Asks until `stopped` ends; questions under way are then left, and are in doubt for the next life.
    pub(crate) async fn run(mut self, stopped: impl Future<Output = ()>) {
        let mut stopped = std::pin::pin!(stopped);
        let mut head = self.desk.ledger.head();
        loop {
            let timers = head.borrow_and_update().timers;
            if let Err(error) = self.begin().await {
                tracing::warn!(%error, "payments that wait for the provider not read");
            }
            let changed = async {
                if head.wait_for(|head| head.timers != timers).await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                () = &mut stopped => break,
                Some(done) = self.jobs.join_next_with_id() => self.finish(done.map(|(id, ())| id)),
                () = changed => {}
                // A look now and then costs nothing and forgives a wake-up that was missed.
                () = tokio::time::sleep(ASK_AGAIN_MAX) => {}
            }
        }
        self.jobs.shutdown().await;
    }

    async fn begin(&mut self) -> Result<(), ReadError> {
        let room = CARDS_AT_ONCE_MAX - self.under_way.len().min(CARDS_AT_ONCE_MAX);
        if room == 0 {
            return Ok(());
        }
        // Those under way still have their timers, and they are the first.
        for id in waiting(&self.desk.ledger, CARDS_AT_ONCE_MAX).await? {
            if self.under_way.len() < CARDS_AT_ONCE_MAX && self.under_way.insert(id.clone()) {
                let doubt = self.doubtful.remove(&id);
                let handle = self.jobs.spawn(ask(self.desk.clone(), id.clone(), doubt));
                self.ids.insert(handle.id(), id);
            }
        }
        Ok(())
    }

    fn finish(&mut self, done: Result<Id, JoinError>) {
        let task = done.as_ref().map_or_else(JoinError::id, |id| *id);
        let Some(id) = self.ids.remove(&task) else { return };
        self.under_way.remove(&id);
        if done.is_err() {
            tracing::error!(payment = %id, "asking the provider panicked");
            self.doubtful.insert(id);
        }
    }
}

/// Asks until the provider has said what became of the payment, and that is stored; or until it stands elsewhere.
async fn ask(desk: Desk, id: String, mut doubt: bool) {
    let mut pause = ASK_AGAIN_MIN;
    loop {
        match Payment::look(&desk.ledger, &id).await {
            Ok(Some(payment)) if !is_waiting(&payment.standing) => return forget(&desk, &id).await,
            Ok(Some(payment)) => {
                if let Some(told) = question(&desk, &payment, &mut doubt).await
                    && take(&desk, &payment, told).await
                {
                    return;
                }
            }
            Ok(None) => return forget(&desk, &id).await,
            Err(error) => tracing::warn!(%error, payment = %id, "payment not read"),
        }
        tokio::time::sleep(pause).await;
        pause = next(pause);
    }
}

fn next(pause: Duration) -> Duration {
    pause.saturating_mul(2).min(ASK_AGAIN_MAX)
}

fn is_waiting(standing: &Standing) -> bool {
    matches!(standing, Standing::Charging | Standing::Voiding { .. })
}

/// One question, or two when the first was whether it is known.
async fn question(desk: &Desk, payment: &Payment, doubt: &mut bool) -> Option<Told> {
    let asked = match payment.standing {
        Standing::Voiding { .. } => match card::void(&desk.provider, payment).await {
            Asked::Nothing(why) => Asked::InDoubt(why),
            asked => asked,
        },
        Standing::Charging if *doubt => match card::look(&desk.provider, payment).await {
            Asked::Unknown => card::charge(&desk.provider, payment).await,
            asked => asked,
        },
        Standing::Charging => card::charge(&desk.provider, payment).await,
        _ => return None,
    };
    match asked {
        Asked::Told(told) => Some(told),
        Asked::Nothing(why) if !*doubt => Some(Told::NotCharged(why)),
        Asked::Nothing(why) | Asked::InDoubt(why) => {
            let trace = payment.context().trace().trace_id();
            tracing::warn!(payment = %payment.id, %why, %trace, "in doubt; the provider is asked again");
            *doubt = true;
            None
        }
        Asked::Unknown => None,
    }
}

/// Stores what the provider said. False when the ledger could not: the provider is asked again then.
async fn take(desk: &Desk, payment: &Payment, told: Told) -> bool {
    let (wallets, id) = (desk.wallets.clone(), payment.id.clone());
    let work = async move |tx: &mut Tx<'_>| settle::take(&wallets, tx, &id, told.clone()).await;
    match desk.ledger.transact(&payment.context(), work).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, payment = %payment.id, "what the provider said was not stored");
            false
        }
    }
}

async fn forget(desk: &Desk, id: &str) {
    let key = id.to_owned();
    let work = async move |tx: &mut Tx<'_>| {
        // Only what nobody waits for: it may stand elsewhere by now.
        match Payment::load(tx, &key).await? {
            Some(payment) if is_waiting(&payment.standing) => Ok(()),
            _ => tx.clear_timer(crate::store::CARD, &key).await.map(drop),
        }
    };
    if let Err(error) = desk.ledger.transact(&mamparo_context::Context::root(), work).await {
        tracing::warn!(%error, payment = %id, "timer of a payment not cleared");
    }
}
