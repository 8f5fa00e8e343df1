//! Cache-aside with single flight: the load runs detached, under its own deadline; whoever waits has theirs. That the
//! one who began it is dropped, parked or cancelled changes nothing for the others.

use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use equivalent::Equivalent;
use mamparo_context::{Context, Deadline, Moment};
use mamparo_policy::time::{sleep_until, timeout_at};
use tokio::runtime::Handle;

use super::{Cache, Inner, Key, Landed, Value};
use crate::core::entry::Freshness;
use crate::core::flights::{FlightId, Joined};
use crate::error::{BoxError, LoadError};
use crate::flight::{Flight, TooManyWait, Waiter};
use crate::limits::LOADS_MAX;
use crate::options::{Abandoned, EntryOptions};
use crate::sync::lock;

/// What a load has found. An `Option<V>` becomes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<V> {
    /// The value, or that there is none.
    pub value: Option<V>,
    /// What its entry is told that differs from the others.
    pub options: EntryOptions,
}

impl<V> From<Option<V>> for Loaded<V> {
    fn from(value: Option<V>) -> Self {
        Self { value, options: EntryOptions::default() }
    }
}

impl<V> Loaded<V> {
    /// A value whose entry differs from the others.
    pub fn with(value: V, options: EntryOptions) -> Self {
        Self { value: Some(value), options }
    }
}

/// What a reader finds before anything is loaded.
enum Found<V> {
    Served(Option<V>),
    /// It is served, and a successor is loaded.
    Refresh(Option<V>),
    /// It is served if there is no better in time.
    Fallback(Option<V>),
    Nothing,
}

/// How a reader takes part in a load.
enum Part<V> {
    /// Somebody has stored it in the meantime.
    Stored(Option<V>),
    Waits(Waiter<Landed<V>>),
    Leads(FlightId, Arc<Flight<Landed<V>>>, Waiter<Landed<V>>),
}

impl<K: Key, V: Value> Cache<K, V> {
    /// The value of `key`, or that there is none: known already, or loaded by `load`. Of all callers who miss the key
    /// at the same time one has its `load` run; the others wait for it.
    ///
    /// The load is given a context with the deadline of the load itself: it runs on the tokio runtime of the caller
    /// who began it, detached from all who wait, until [`hard_timeout`](crate::CacheOptions::hard_timeout). Each
    /// caller waits until the deadline of its own `cx`. Where there is an old entry that may be served, it is, if the
    /// load fails, or takes longer than [`soft_timeout`](crate::CacheOptions::soft_timeout) or than the caller's
    /// deadline; a result that comes later is stored all the same.
    ///
    /// Cancel safe: dropped, the caller waits no more, and nothing else changes.
    ///
    /// # Errors
    /// The load failed, ended without a result, or did not end in time, and there is no old entry to serve.
    pub async fn get_or_load<Q, F, Fut, T, E>(
        &self,
        cx: &Context,
        key: &Q,
        load: F,
    ) -> Result<Option<V>, LoadError>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<BoxError>,
    {
        let fallback = match self.inner.find(key) {
            Found::Served(value) => return Ok(value),
            Found::Refresh(value) => {
                self.refresh(cx, key.to_owned(), load);
                return Ok(value);
            }
            Found::Fallback(value) => Some(value),
            Found::Nothing => None,
        };
        let waiter = match self.inner.take_part(key.to_owned(), fallback.is_some()) {
            Ok(Part::Stored(value)) => return self.inner.settle(Ok(value), fallback),
            Ok(Part::Waits(waiter)) => {
                self.inner.counters.joined(1);
                waiter
            }
            Ok(Part::Leads(id, flight, waiter)) => {
                let landing = Landing::new(&self.inner, key.to_owned(), id, flight);
                landing.launch(cx, load, self.inner.options.when_abandoned == Abandoned::Cancel);
                waiter
            }
            Err(TooManyWait) => return self.inner.settle(Err(LoadError::TooMany), fallback),
        };
        self.wait(cx, waiter, fallback).await
    }

    /// Loads `key` in the background, unless a load is under way.
    fn refresh<F, Fut, T, E>(&self, cx: &Context, key: K, load: F)
    where
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<BoxError>,
    {
        let Some((id, flight)) = self.inner.take_off(key.clone()) else { return };
        self.inner.counters.refreshes(1);
        let landing = Landing::new(&self.inner, key, id, flight);
        landing.launch(cx, load, false);
    }

    async fn wait(
        &self,
        cx: &Context,
        waiter: Waiter<Landed<V>>,
        fallback: Option<Option<V>>,
    ) -> Result<Option<V>, LoadError> {
        let clock = &self.inner.clock;
        let deadline = cx.deadline().map(Deadline::moment);
        let soft = match (&fallback, self.inner.options.soft_timeout) {
            (Some(_), Some(soft)) => Some(clock.moment() + soft),
            _ => None,
        };
        let until = [deadline, soft].into_iter().flatten().min();
        let landed = match until {
            None => waiter.await,
            Some(until) => match timeout_at(clock, until, waiter).await {
                Ok(landed) => landed,
                Err(_) => Err(LoadError::DeadlinePassed),
            },
        };
        self.inner.settle(landed, fallback)
    }
}

impl<K: Key, V: Value> Inner<K, V> {
    fn find<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Found<V> {
        let Some(slot) = self.storage.get(key) else {
            self.counters.miss();
            return Found::Nothing;
        };
        let is_calm = slot.is_endless() || self.now() < slot.calm_until();
        let freshness = match is_calm && self.is_plain(&slot) {
            true => Some(Freshness::Fresh),
            false => self.judge_or_remove(key, &slot, self.now()),
        };
        let Some(freshness) = freshness else {
            self.counters.miss();
            return Found::Nothing;
        };
        match freshness {
            Freshness::Fresh | Freshness::Early => self.counters.hit(),
            Freshness::Stale | Freshness::Quiet => self.counters.stale(),
            // Which of the two it is shows at the end.
            Freshness::Fallback | Freshness::Expired => {}
        }
        match freshness {
            Freshness::Fresh | Freshness::Quiet => Found::Served(slot.value),
            Freshness::Early | Freshness::Stale => Found::Refresh(slot.value),
            Freshness::Fallback => Found::Fallback(slot.value),
            Freshness::Expired => Found::Nothing,
        }
    }

    /// What a caller gets who has waited: the old entry rather than an error.
    fn settle(&self, landed: Landed<V>, fallback: Option<Option<V>>) -> Landed<V> {
        match (landed, fallback) {
            (Err(_), Some(old)) => {
                self.counters.stale();
                Ok(old)
            }
            (landed, fallback) => {
                if fallback.is_some() {
                    self.counters.miss();
                }
                landed
            }
        }
    }

    /// Leads or follows; where there is `no fallback` the storage is looked at once more, for a load may have landed
    /// between the first look and this one.
    fn take_part(&self, key: K, has_fallback: bool) -> Result<Part<V>, TooManyWait> {
        let mut flights = lock(self.table(&key));
        if let Some(slot) = self.storage.peek(&key) {
            let is_new = |freshness: Freshness| {
                if has_fallback { freshness.is_served() } else { freshness != Freshness::Expired }
            };
            if self.judge(&slot, self.now()).is_some_and(is_new) {
                return Ok(Part::Stored(slot.value));
            }
        }
        let (mut launched, mut too_many) = (None, false);
        let wait = |flight: &Arc<Flight<_>>| match flight.join() {
            Ok(waiter) => waiter.map(Some),
            Err(TooManyWait) => {
                too_many = true;
                Some(None)
            }
        };
        let joined = flights.join(key, wait, || {
            let (flight, waiter) = Flight::launch();
            launched = Some(Arc::clone(&flight));
            (flight, Some(waiter))
        });
        drop(flights);
        match (joined, launched) {
            (Joined::Leads(id, Some(waiter)), Some(flight)) => Ok(Part::Leads(id, flight, waiter)),
            (Joined::Follows(Some(waiter)), _) => Ok(Part::Waits(waiter)),
            _ => Err(TooManyWait),
        }
    }

    /// A flight that nobody waits for, unless there is one already.
    fn take_off(&self, key: K) -> Option<(FlightId, Arc<Flight<Landed<V>>>)> {
        let flight = Flight::unattended();
        let mut flights = lock(self.table(&key));
        match flights.join(key, |_| Some(()), || (Arc::clone(&flight), ())) {
            Joined::Leads(id, ()) => Some((id, flight)),
            Joined::Follows(()) => None,
        }
    }
}

/// A load that will land, whatever becomes of it.
struct Landing<K: Key, V: Value> {
    inner: Arc<Inner<K, V>>,
    key: K,
    id: FlightId,
    flight: Arc<Flight<Landed<V>>>,
    epoch: u64,
    began: Moment,
    has_landed: bool,
}

impl<K: Key, V: Value> Landing<K, V> {
    fn new(inner: &Arc<Inner<K, V>>, key: K, id: FlightId, flight: Arc<Flight<Landed<V>>>) -> Self {
        let epoch = inner.epoch.load(Ordering::Acquire);
        Self {
            inner: Arc::clone(inner),
            key,
            id,
            flight,
            epoch,
            began: inner.clock.moment(),
            has_landed: false,
        }
    }

    /// Sends the load off.
    fn launch<F, Fut, T, E>(self, cx: &Context, load: F, ends_with_last: bool)
    where
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<BoxError>,
    {
        if self.inner.loading.fetch_add(1, Ordering::AcqRel) >= LOADS_MAX {
            self.inner.counters.refused(1);
            return self.land(Err(LoadError::TooMany));
        }
        self.inner.counters.loads(1);
        let Ok(runtime) = Handle::try_current() else { return self.land(Err(LoadError::Stopped)) };
        let until = self.began + self.inner.options.hard_timeout;
        let cx = Context::from_trace(cx.trace().clone())
            .with_criticality(cx.criticality())
            .with_deadline(Deadline::at(until.instant()));
        // Boxed: the load of a user may be large, and spawning moves it.
        let flight = async move {
            let loaded = self.fly(Box::pin(async move { load(cx).await }), until, ends_with_last).await;
            self.land(loaded);
        };
        drop(runtime.spawn(flight));
    }

    async fn fly<T, E>(
        &self,
        load: impl Future<Output = Result<T, E>>,
        until: Moment,
        ends_with_last: bool,
    ) -> Result<Loaded<V>, LoadError>
    where
        T: Into<Loaded<V>>,
        E: Into<BoxError>,
    {
        let (mut load, mut sleep) = (pin!(load), pin!(None));
        std::future::poll_fn(|task| {
            if let Poll::Ready(loaded) = load.as_mut().poll(task) {
                return Poll::Ready(match loaded {
                    Ok(loaded) => Ok(loaded.into()),
                    Err(error) => Err(LoadError::Failed(Arc::from(error.into()))),
                });
            }
            if sleep.is_none() {
                sleep.set(Some(sleep_until(&self.inner.clock, until)));
            }
            if sleep.as_mut().as_pin_mut().is_some_and(|sleep| sleep.poll(task).is_ready()) {
                return Poll::Ready(Err(LoadError::TimedOut { after: self.inner.options.hard_timeout }));
            }
            if ends_with_last && self.flight.poll_abandoned(task).is_ready() {
                return Poll::Ready(Err(LoadError::DeadlinePassed));
            }
            Poll::Pending
        })
        .await
    }

    fn land(mut self, loaded: Result<Loaded<V>, LoadError>) {
        self.land_now(loaded);
    }

    fn land_now(&mut self, loaded: Result<Loaded<V>, LoadError>) {
        self.has_landed = true;
        let inner = &*self.inner;
        let cost = inner.clock.moment().since(self.began);
        inner.counters.load_micros(u64::try_from(cost.as_micros()).unwrap_or(u64::MAX));
        let landed = match loaded {
            Ok(Loaded { value, options }) => {
                self.store(&value, &options, cost);
                Ok(value)
            }
            Err(error) => {
                inner.counters.failures(1);
                self.note_failure();
                Err(error)
            }
        };
        inner.loading.fetch_sub(1, Ordering::AcqRel);
        self.flight.land(landed);
    }

    fn store(&self, value: &Option<V>, options: &EntryOptions, cost: Duration) {
        let inner = &*self.inner;
        let slot = inner.slot(&self.key, value.clone(), options, self.epoch, cost);
        let mut flights = lock(inner.table(&self.key));
        let leavings = match flights.land(&self.key, self.id) {
            true => Some(inner.put(self.key.clone(), slot)),
            false => None,
        };
        drop(flights);
        inner.counters.overtaken(u64::from(leavings.is_none()));
    }

    /// The old entry, if there is one, is served for a while without another load.
    fn note_failure(&self) {
        let inner = &*self.inner;
        let mut flights = lock(inner.table(&self.key));
        let mut leavings = None;
        if flights.land(&self.key, self.id)
            && let Some(slot) = inner.storage.peek(&self.key)
        {
            let times = inner.rules.after_failure(slot.times(), inner.now());
            leavings = Some(inner.storage.replace(self.key.clone(), slot.with_times(times)));
        }
        drop(flights);
        drop(leavings);
    }
}

impl<K: Key, V: Value> Drop for Landing<K, V> {
    fn drop(&mut self) {
        if !self.has_landed {
            let error = if std::thread::panicking() { LoadError::Panicked } else { LoadError::Stopped };
            self.land_now(Err(error));
        }
    }
}
