//! Waking sagas when their timers come due.

use std::time::Duration;

use mamparo_context::{Context, Timestamp};
use mamparo_ledger::{Error, Ledger, ReadError, Result, Timer, Tx};
use tokio::task::JoinSet;

use super::{Sagas, store};
use crate::core::WrongDefinition;
use crate::limits::{
    UNKNOWN_LOOKED_AT_EVERY, WAKE_EVERY_MAX, WAKE_EVERY_MIN, WAKE_RETRY_AFTER, WAKES_AT_ONCE_MAX,
};
use crate::registry::UnknownDefinition;

pub(super) const OWNER: &str = "saga";

/// What [`Sagas::wake_due`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Woken {
    /// Sagas that were due.
    pub due: usize,
    /// Those of them that could not be woken, and are still due.
    pub failed: usize,
}

impl Sagas {
    /// Wakes the sagas that are due, at most as many at once as share a commit well.
    ///
    /// A saga whose definition is not known here is left untouched and looked at again a minute later.
    ///
    /// # Errors
    /// The ledger cannot be read. A saga that could not be woken is still due.
    pub async fn wake_due(&self, ledger: &Ledger) -> Result<Woken, ReadError> {
        let due = ledger.read_timers(OWNER, ledger.clock().wall(), WAKES_AT_ONCE_MAX).await?;
        let mut woken = Woken { due: due.len(), failed: 0 };
        let mut waking = JoinSet::new();
        for timer in due {
            let (sagas, ledger) = (self.clone(), ledger.clone());
            waking.spawn(async move {
                let saga = timer.key.clone();
                let unit = async move |tx: &mut Tx<'_>| sagas.wake(tx, &timer).await;
                (saga, ledger.transact(&Context::root(), unit).await)
            });
        }
        while let Some(done) = waking.join_next().await {
            match done {
                Ok((_, Ok(()))) => {}
                Ok((saga, Err(error))) => {
                    tracing::warn!(saga, %error, "saga not woken, tried again");
                    woken.failed += 1;
                }
                Err(_) => woken.failed += 1,
            }
        }
        Ok(woken)
    }

    /// Wakes sagas until `shutdown` is ready. Cancel safe: what was under way is done or still due.
    pub async fn run_timers(&self, ledger: &Ledger, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut head = ledger.head();
        loop {
            let timers = head.borrow_and_update().timers;
            let pause = match self.wake_due(ledger).await {
                Ok(Woken { due: 0, .. }) => until_next(ledger).await,
                Ok(Woken { due, failed }) if failed < due => Duration::ZERO,
                _ => WAKE_RETRY_AFTER,
            };
            let changed = async {
                if head.wait_for(|head| head.timers != timers).await.is_err() {
                    std::future::pending::<()>().await;
                }
                // Timers are set all the time; one look serves many.
                tokio::time::sleep(WAKE_EVERY_MIN).await;
            };
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = tokio::time::sleep(pause) => {}
                () = changed => {}
            }
        }
    }

    async fn wake(&self, tx: &mut Tx<'_>, timer: &Timer) -> Result<()> {
        if !tx.take_timer(OWNER, &timer.key, timer.due).await? {
            return Ok(());
        }
        let id = timer.key.parse().map_err(Error::app)?;
        let Some(stored) = store::load(tx, &id).await? else { return Ok(()) };
        let now = tx.clock().wall();
        match self.turn_by_timers(tx, stored, now).await {
            // Both are found out before anything is done.
            Err(error) if is_for_another_program(&error) => {
                let later = Timer { due: now + UNKNOWN_LOOKED_AT_EVERY, ..timer.clone() };
                tx.set_timer(&later).await
            }
            done => done,
        }
    }
}

fn is_for_another_program(error: &Error) -> bool {
    error.app_as::<UnknownDefinition>().is_some() || error.app_as::<WrongDefinition>().is_some()
}

/// How long it is until the next timer is due, at most a second: wall time can be set back and forth.
async fn until_next(ledger: &Ledger) -> Duration {
    let now = ledger.clock().wall();
    match ledger.read_timers(OWNER, Timestamp::from_micros(i64::MAX), 1).await {
        Ok(next) => next.first().map_or(WAKE_EVERY_MAX, |timer| timer.due.since(now).min(WAKE_EVERY_MAX)),
        Err(_) => WAKE_RETRY_AFTER,
    }
}
