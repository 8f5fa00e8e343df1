//! Decides whether a store is asked: it has little time to answer, and is left alone for a while when it has not, so
//! that a store that is gone costs calls nothing. One link serves all limits that a store keeps.

use std::time::Duration;

use mamparo_context::{Clock, Moment};

use super::{Ask, Given, SharedStore, StoreError, StoreLinkConfig};
use crate::InvalidConfig;
use crate::sync::{Mutex, lock};
use crate::time::timeout_at;

/// A store, and whether it is worth asking.
#[derive(Debug)]
pub struct StoreLink<S> {
    store: S,
    config: StoreLinkConfig,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    /// Not to be asked until then; the first call after it asks for all.
    Down(Moment),
    /// One call asks. If nothing is heard of it until then, another one does.
    Trying(Moment),
}

impl State {
    /// Whether a call may ask at `now`, or else when it is worth another look.
    fn may_ask(&mut self, now: Moment, pause: Duration) -> Result<(), Moment> {
        match *self {
            Self::Up => Ok(()),
            Self::Down(until) | Self::Trying(until) if now < until => Err(until),
            Self::Down(_) | Self::Trying(_) => {
                *self = Self::Trying(now + pause);
                Ok(())
            }
        }
    }
}

impl<S: SharedStore> StoreLink<S> {
    /// A link to `store`, which is thought to work.
    ///
    /// # Errors
    /// What is wrong with `config`.
    pub fn new(store: S, config: StoreLinkConfig, clock: Clock) -> Result<Self, InvalidConfig> {
        config.check()?;
        Ok(Self { store, config, clock, state: Mutex::new(State::Up) })
    }

    /// Whether the store is thought to work.
    pub fn is_up(&self) -> bool {
        *lock(&self.state) == State::Up
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn timeout(&self) -> Duration {
        self.config.timeout
    }

    pub(super) fn pause(&self) -> Duration {
        self.config.pause
    }

    /// Whether a call may ask now; if not, for how long not.
    pub(super) fn may_ask(&self, now: Moment) -> Result<(), Duration> {
        lock(&self.state).may_ask(now, self.config.pause).map_err(|until| until.since(now))
    }

    /// Asks, until `until` at most.
    pub(super) async fn take(&self, ask: &Ask<'_>, until: Moment) -> Result<Given, StoreError> {
        let answer = self.within(until, self.store.take(ask)).await;
        self.heard(answer.as_ref().err());
        answer
    }

    /// Puts tokens back, if the store is thought to work.
    pub(super) async fn put_back(&self, ask: &Ask<'_>, tokens: u32) -> Result<(), StoreError> {
        let now = self.clock.moment();
        if self.may_ask(now).is_err() {
            return Err(StoreError("left alone after it has not answered".into()));
        }
        let work = self.store.put_back(ask.key, ask.quota, tokens);
        let answer = self.within(now + self.config.timeout, work).await;
        self.heard(answer.as_ref().err());
        answer
    }

    async fn within<R>(
        &self,
        until: Moment,
        work: impl Future<Output = Result<R, StoreError>>,
    ) -> Result<R, StoreError> {
        timeout_at(&self.clock, until, work).await.unwrap_or_else(|_| {
            self.store.distrust();
            Err(StoreError("no answer in time".into()))
        })
    }

    fn heard(&self, error: Option<&StoreError>) {
        let next = match error {
            None => State::Up,
            Some(_) => State::Down(self.clock.moment() + self.config.pause),
        };
        let before = std::mem::replace(&mut *lock(&self.state), next);
        match (before, error) {
            (State::Up, Some(error)) => {
                tracing::warn!(%error, "rate limits go by their rule for a store that is down")
            }
            (State::Down(_) | State::Trying(_), None) => {
                tracing::info!("the store of rate limits answers again")
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_pause_one_call_tries_for_all() {
        let pause = Duration::from_secs(1);
        let at = |millis: u64| Moment::from_nanos(millis * 1_000_000);
        let mut state = State::Up;
        assert_eq!(state.may_ask(at(0), pause), Ok(()));
        state = State::Down(at(1_000));
        assert_eq!(state.may_ask(at(999), pause), Err(at(1_000)));
        assert_eq!(state.may_ask(at(1_000), pause), Ok(()));
        assert_eq!(state.may_ask(at(1_000), pause), Err(at(2_000)), "somebody tries already");
        assert_eq!(state.may_ask(at(2_000), pause), Ok(()), "and was not heard of again");
    }
}
