//! Steps that are calls. A call is ordered in the transaction of the transition that wants it, made afterwards, and
//! its outcome and the end of the order are one transaction again.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;

use mamparo_context::{Context, Timestamp};
use mamparo_ledger::{Error, Ledger, ReadError, Result, Timer, Tx};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::{self, JoinSet};

use super::Sagas;
use crate::action::Command;
use crate::id::CommandId;
use crate::input::{Input, Outcome};
use crate::limits::{CALLS_AT_ONCE_MAX, WAKE_EVERY_MAX, WAKE_RETRY_AFTER};

/// Orders stand among the timers, due at once: they are read in order, and whoever waits for timers sees them.
const OWNER: &str = "saga-call";

/// What a callee is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The idempotency key.
    pub command: CommandId,
    /// The attempt.
    pub attempt: u32,
    /// For a compensation, the command that is undone, and not obeyed any more should it come later.
    pub undoes: Option<CommandId>,
    /// The target.
    pub to: String,
    /// What the definition made of the saga's data.
    pub payload: Value,
    /// When the saga stops waiting for the outcome.
    pub answer_by: Timestamp,
}

/// What [`Callee::call`] returns.
pub type CallFuture<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Who answers the calls of one target. What is not answered in time, it is told nothing of: it bounds itself.
pub trait Callee: Send + Sync + 'static {
    /// Makes the call. Whoever is not sure that it had no effect says [`Outcome::Indeterminate`].
    fn call(&self, call: Call) -> CallFuture<'_>;
}

/// Orders a call.
pub(super) async fn order(tx: &mut Tx<'_>, command: &Command) -> Result<()> {
    let call = Call {
        command: command.id.clone(),
        attempt: command.attempt,
        undoes: command.undoes.clone(),
        to: command.to.clone(),
        payload: command.payload.clone(),
        answer_by: command.answer_by,
    };
    let payload = serde_json::to_vec(&call).map_err(Error::app)?.into();
    let due = tx.clock().wall();
    tx.set_timer(&Timer { owner: OWNER.to_owned(), key: command.message_id(), due, payload }).await
}

/// The calls that are under way in this process.
#[derive(Default)]
struct UnderWay {
    /// Each says whether its order is done with.
    calls: JoinSet<bool>,
    keys: HashMap<task::Id, String>,
    set: HashSet<String>,
}

impl Sagas {
    /// Makes the calls that sagas order until `shutdown` is ready; calls under way are then left. One process runs
    /// it for a ledger, and once: an order from before these sagas were opened was left by another life, so its
    /// saga is told that nobody knows what became of it.
    pub async fn run_calls(&self, ledger: &Ledger, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut head = ledger.head();
        let mut under_way = UnderWay::default();
        loop {
            let timers = head.borrow_and_update().timers;
            let pause = match self.make_calls(ledger, &mut under_way).await {
                Ok(()) => WAKE_EVERY_MAX,
                Err(_) => WAKE_RETRY_AFTER,
            };
            let changed = async {
                if head.wait_for(|head| head.timers != timers).await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                Some(done) = under_way.calls.join_next_with_id() => {
                    under_way.done(done)
                }
                () = tokio::time::sleep(pause) => {}
                () = changed => {}
            }
        }
    }

    /// Begins the calls that are ordered and not under way.
    async fn make_calls(&self, ledger: &Ledger, under_way: &mut UnderWay) -> Result<(), ReadError> {
        let now = ledger.clock().wall();
        let orders = ledger.read_timers(OWNER, now, 2 * CALLS_AT_ONCE_MAX).await?;
        for order in orders {
            if under_way.calls.len() >= CALLS_AT_ONCE_MAX {
                break;
            }
            if under_way.set.insert(order.key.clone()) {
                let (key, left) = (order.key.clone(), order.due < self.0.opened_at);
                let task = under_way.calls.spawn(self.clone().make(ledger.clone(), order, left));
                under_way.keys.insert(task.id(), key);
            }
        }
        Ok(())
    }

    async fn make(self, ledger: Ledger, order: Timer, left_by_another_life: bool) -> bool {
        let Ok(call) = serde_json::from_slice::<Call>(&order.payload) else { return false };
        let (command, attempt) = (call.command.clone(), call.attempt);
        let outcome = match self.0.callees.get(&call.to) {
            _ if left_by_another_life => Outcome::Indeterminate("the process ended during the call".into()),
            Some(callee) => outcome(Arc::clone(callee), call).await,
            None => Outcome::Failed(format!("`{}` is not known here", call.to)),
        };
        loop {
            let (sagas, key) = (self.clone(), order.key.clone());
            let input = Input::Reply { command: command.clone(), attempt, outcome: outcome.clone() };
            let unit = async move |tx: &mut Tx<'_>| {
                if tx.clear_timer(OWNER, &key).await?
                    && let Input::Reply { command, .. } = &input
                {
                    sagas.take(tx, &command.saga(), input.clone()).await?;
                }
                Ok(())
            };
            match ledger.transact(&Context::root(), unit).await {
                Ok(()) => return true,
                // What the application's code refuses it will refuse again. The saga stops waiting in its time.
                Err(Error::App(_)) => return false,
                Err(_) => tokio::time::sleep(WAKE_RETRY_AFTER).await,
            }
        }
    }
}

async fn outcome(callee: Arc<dyn Callee>, call: Call) -> Outcome {
    let made = task::spawn(async move { callee.call(call).await }).await;
    made.unwrap_or_else(|error| Outcome::Indeterminate(format!("the call came to no end: {error}")))
}

impl UnderWay {
    /// An order that is not done with stays in the set, so that its call is not made twice in this life.
    fn done(&mut self, done: Result<(task::Id, bool), task::JoinError>) {
        let (id, finished) = done.unwrap_or_else(|error| (error.id(), false));
        if let Some(key) = self.keys.remove(&id)
            && finished
        {
            self.set.remove(&key);
        }
    }
}
