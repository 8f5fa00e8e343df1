//! The rate limit of many nodes together: what the node can answer by itself is answered at once, the rest waits for
//! the store.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use mamparo_context::{Clock, Context, Deadline, Moment};
use tokio::sync::Semaphore;

use super::super::Standing;
use super::local::Local;
use super::{SharedRateLimitConfig, SharedStore, StoreError, StoreLink};
use crate::limits::SHARED_ASKS_MAX;
use crate::mode::SharedMode;
use crate::sync::{Mutex, lock};
use crate::time::timeout_at;
use crate::{Admission, Admit, Counts, InvalidConfig, Mode, Outcome, Policy, Reason, Refusal};

/// Lets calls of many nodes go at one rate. Cheap to clone.
///
/// All nodes together never take more than the quota from the store. A node hands out the tokens of a block up to
/// one lease later: in any time, at most one block for each node more goes than the quota of that time.
pub struct SharedRateLimit<S> {
    inner: Arc<Inner<S>>,
}

struct Inner<S> {
    link: Arc<StoreLink<S>>,
    local: Mutex<Local>,
    /// Where blocks are taken, one call takes for all.
    turn: tokio::sync::Mutex<()>,
    asks: Arc<Semaphore>,
    mode: SharedMode,
    counts: Counts,
}

/// A call that waits for the store.
pub struct SharedTicket(Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>);

impl fmt::Debug for SharedTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedTicket")
    }
}

impl<S: SharedStore> SharedRateLimit<S> {
    /// A limit that is kept in the store behind `link`.
    ///
    /// # Errors
    /// What is wrong with `config`.
    pub fn new(config: SharedRateLimitConfig, link: Arc<StoreLink<S>>) -> Result<Self, InvalidConfig> {
        Ok(Self {
            inner: Arc::new(Inner {
                link,
                mode: SharedMode::new(config.mode),
                local: Mutex::new(Local::new(config)?),
                turn: tokio::sync::Mutex::new(()),
                asks: Arc::new(Semaphore::new(SHARED_ASKS_MAX)),
                counts: Counts::default(),
            }),
        })
    }

    /// Takes another configuration. Tokens stay, in the node and in the store, which learns of a new quota from the
    /// first node that asks with it.
    ///
    /// # Errors
    /// What is wrong with `config`; nothing has changed then.
    pub fn reconfigure(&self, config: SharedRateLimitConfig) -> Result<(), InvalidConfig> {
        let now = self.inner.link.clock().moment();
        let mode = config.mode;
        lock(&self.inner.local).reconfigure(config, now)?;
        self.inner.mode.set(mode);
        Ok(())
    }

    /// As [`Admission::acquire`], for a call that costs `cost` tokens.
    pub fn acquire_n(&self, cx: &Context, cost: u32, now: Moment) -> Admit<(), SharedTicket> {
        let decided = |answer: Result<(), Refusal>| match answer {
            Ok(()) => Admit::Admit(()),
            Err(refusal) => Admit::Refuse(refusal),
        };
        let mut local = lock(&self.inner.local);
        if let Some(answer) = local.answer(cost, now) {
            return decided(answer);
        }
        let Ok(permit) = Arc::clone(&self.inner.asks).try_acquire_owned() else {
            return Admit::Refuse(Refusal::new(Policy::RateLimit, Reason::QueueFull));
        };
        if let Err(pause) = self.inner.link.may_ask(now) {
            return decided(local.without_store(cost, now, pause));
        }
        let (inner, deadline) = (Arc::clone(&self.inner), cx.deadline());
        Admit::Wait(SharedTicket(Box::pin(async move {
            let answer = inner.ask(cost, deadline).await;
            drop(permit);
            answer
        })))
    }

    /// Puts back `cost` tokens that were taken for nothing: into the block of the node, else into the store.
    ///
    /// # Errors
    /// The store cannot be reached; the tokens are lost then.
    pub async fn refund(&self, cost: u32) -> Result<(), StoreError> {
        let config = {
            let mut local = lock(&self.inner.local);
            if local.keep(cost, self.inner.link.clock().moment()) {
                return Ok(());
            }
            local.config().clone()
        };
        let ask = super::Ask { key: &config.key, quota: &config.quota, least: 0, most: 0 };
        self.inner.link.put_back(&ask, cost).await
    }

    /// What was left when the store was last asked.
    pub fn standing(&self) -> Option<Standing> {
        lock(&self.inner.local).standing()
    }
}

impl<S: SharedStore> Inner<S> {
    async fn ask(&self, cost: u32, deadline: Option<Deadline>) -> Result<(), Refusal> {
        let clock = self.link.clock();
        let start = clock.moment();
        let latest = deadline.map_or(Moment::NEVER, Deadline::moment);
        let blocks = lock(&self.local).config().block > 1;
        // Somebody who holds the turn and is not polled does not hold up others for longer than the store may take.
        let _turn = match blocks {
            true => timeout_at(clock, latest.min(start + self.link.timeout()), self.turn.lock()).await.ok(),
            false => None,
        };
        let asked = clock.moment();
        if let Some(answer) = blocks.then(|| lock(&self.local).answer(cost, asked)).flatten() {
            return answer;
        }
        let (config, most) = {
            let local = lock(&self.local);
            (local.config().clone(), local.ask(cost).most)
        };
        let ask = super::Ask { key: &config.key, quota: &config.quota, least: cost, most };
        let until = latest.min(asked + self.link.timeout());
        let given = self.link.take(&ask, until).await;
        let now = clock.moment();
        let mut local = lock(&self.local);
        match given {
            Ok(given) => local.given(cost, given, asked, now),
            Err(_) if now >= latest => Err(Refusal::new(Policy::RateLimit, Reason::WaitedTooLong)),
            Err(_) => local.without_store(cost, now, self.link.pause()),
        }
    }
}

impl<S: SharedStore> Admission for SharedRateLimit<S> {
    type Pass = ();
    type Ticket = SharedTicket;

    const POLICY: Policy = Policy::RateLimit;

    fn acquire(&self, cx: &Context, now: Moment) -> Admit<(), SharedTicket> {
        self.acquire_n(cx, 1, now)
    }

    fn poll_turn(&self, ticket: &mut SharedTicket, task: &mut Task<'_>) -> Poll<Result<(), Refusal>> {
        ticket.0.as_mut().poll(task)
    }

    fn leave(&self, ticket: SharedTicket) {
        drop(ticket);
    }

    fn record(&self, (): (), _outcome: &Outcome, _now: Moment) {}

    fn cancel(&self, (): ()) {}

    /// Into the block of the node; without one, the token is lost: a call that was not made is not worth a journey.
    fn give_back(&self, (): ()) {
        lock(&self.inner.local).keep(1, self.inner.link.clock().moment());
    }

    fn times_success(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        let local = lock(&self.inner.local);
        format!("{}, shared as `{}`", local.config().quota, local.config().key)
    }

    fn mode(&self) -> Mode {
        self.inner.mode.get()
    }

    fn counts(&self) -> &Counts {
        &self.inner.counts
    }

    fn clock(&self) -> &Clock {
        self.inner.link.clock()
    }
}

impl<S> Clone for SharedRateLimit<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<S> fmt::Debug for SharedRateLimit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRateLimit").field("local", &self.inner.local).finish_non_exhaustive()
    }
}
