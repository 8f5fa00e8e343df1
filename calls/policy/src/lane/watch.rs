//! Finds the handler that holds its thread, and names it: every poll of a watched future is timed.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context as Task, Poll};
use std::time::Duration;

use mamparo_context::duration::nanos;
use mamparo_context::{Clock, Moment};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::config::WatchConfig;
use crate::InvalidConfig;
use crate::limits::{WATCH_NAMES_MAX, WATCH_SAY_EVERY};

/// Under which name the futures beyond the last row of the table are counted.
const OTHERS: &str = "(others)";

/// Times the polls of the futures that it wraps. Cheap to clone; clones share the table.
#[derive(Clone, Debug)]
pub struct Watch(Arc<Table>);

#[derive(Debug)]
struct Table {
    clock: Clock,
    config: WatchConfig,
    names: Mutex<HashMap<Arc<str>, Arc<Polls>>>,
}

/// The polls of the futures of one name.
#[derive(Debug)]
struct Polls {
    name: Arc<str>,
    timed: AtomicU64,
    too_long: AtomicU64,
    longest: AtomicU64,
    /// Before this moment nothing is said of it again.
    quiet_until: AtomicU64,
}

/// What was seen of the futures of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    /// The name.
    pub name: Arc<str>,
    /// Polls that were timed.
    pub timed: u64,
    /// Those that took longer than they may.
    pub too_long: u64,
    /// The longest.
    pub longest: Duration,
}

impl Watch {
    /// A watch that has seen nothing yet.
    ///
    /// # Errors
    /// A value of `config` that cannot work.
    pub fn new(config: WatchConfig, clock: Clock) -> Result<Self, InvalidConfig> {
        config.check()?;
        Ok(Self::unchecked(config, clock))
    }

    fn unchecked(config: WatchConfig, clock: Clock) -> Self {
        Self(Arc::new(Table { clock, config, names: Mutex::default() }))
    }

    /// The watch of this process, which [`watch`] uses.
    pub fn global() -> &'static Self {
        static GLOBAL: OnceLock<Watch> = OnceLock::new();
        GLOBAL.get_or_init(|| Self::unchecked(WatchConfig::default(), Clock::system()))
    }

    /// `future`, with its polls timed under `name`.
    pub fn wrap<F: Future>(&self, name: &str, future: F) -> Watched<F> {
        Watched { future, table: Arc::clone(&self.0), polls: self.polls(name), number: 0 }
    }

    /// A tower layer that does so with every call of a service; `name` is usually its route.
    pub fn layer(&self, name: &str) -> WatchLayer {
        WatchLayer { table: Arc::clone(&self.0), polls: self.polls(name) }
    }

    /// What was seen, the worst first.
    pub fn seen(&self) -> Vec<Polled> {
        let names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen: Vec<_> = names.values().map(|polls| polls.read()).collect();
        drop(names);
        seen.sort_by(|a, b| (b.too_long, b.longest, &a.name).cmp(&(a.too_long, a.longest, &b.name)));
        seen
    }

    fn polls(&self, name: &str) -> Arc<Polls> {
        let mut names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        let name = if names.len() < WATCH_NAMES_MAX || names.contains_key(name) { name } else { OTHERS };
        if let Some(polls) = names.get(name) {
            return Arc::clone(polls);
        }
        let name: Arc<str> = name.into();
        let polls = Arc::new(Polls {
            name: Arc::clone(&name),
            timed: AtomicU64::new(0),
            too_long: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            quiet_until: AtomicU64::new(0),
        });
        names.insert(name, Arc::clone(&polls));
        polls
    }
}

impl Polls {
    fn read(&self) -> Polled {
        Polled {
            name: Arc::clone(&self.name),
            timed: self.timed.load(Ordering::Relaxed),
            too_long: self.too_long.load(Ordering::Relaxed),
            longest: Duration::from_nanos(self.longest.load(Ordering::Relaxed)),
        }
    }

    fn add(&self, took: Duration, threshold: Duration, now: Moment) {
        self.timed.fetch_add(1, Ordering::Relaxed);
        self.longest.fetch_max(nanos(took), Ordering::Relaxed);
        if took > threshold {
            self.say(took, now);
        }
    }

    #[cold]
    fn say(&self, took: Duration, now: Moment) {
        let too_long = self.too_long.fetch_add(1, Ordering::Relaxed) + 1;
        let (quiet, next) = (self.quiet_until.load(Ordering::Relaxed), (now + WATCH_SAY_EVERY).as_nanos());
        let may_say = now.as_nanos() >= quiet
            && self.quiet_until.compare_exchange(quiet, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if may_say {
            tracing::warn!(
                handler = &*self.name,
                ?took,
                too_long,
                "handler held its thread: what computes belongs on the cpu lane, what blocks on the blocking lane"
            );
        }
    }
}

/// `future`, with its polls timed under `name` by the [watch of this process](Watch::global).
pub fn watch<F: Future>(name: &str, future: F) -> Watched<F> {
    Watch::global().wrap(name, future)
}

pin_project! {
    /// A future whose polls are timed. As safe to drop as the future itself.
    #[must_use = "a future does nothing unless it is polled"]
    pub struct Watched<F> {
        #[pin]
        future: F,
        table: Arc<Table>,
        polls: Arc<Polls>,
        number: u32,
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<F::Output> {
        let this = self.project();
        let is_timed = *this.number == 0;
        *this.number = (*this.number + 1) % this.table.config.sample;
        if !is_timed {
            return this.future.poll(task);
        }
        let began = this.table.clock.moment();
        let polled = this.future.poll(task);
        let now = this.table.clock.moment();
        this.polls.add(now.since(began), this.table.config.threshold, now);
        polled
    }
}

/// Makes a [`WatchService`].
#[derive(Clone, Debug)]
pub struct WatchLayer {
    table: Arc<Table>,
    polls: Arc<Polls>,
}

impl<S> Layer<S> for WatchLayer {
    type Service = WatchService<S>;

    fn layer(&self, inner: S) -> WatchService<S> {
        WatchService { inner, layer: self.clone() }
    }
}

/// A service whose futures are watched.
#[derive(Clone, Debug)]
pub struct WatchService<S> {
    inner: S,
    layer: WatchLayer,
}

impl<S: Service<R>, R> Service<R> for WatchService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Watched<S::Future>;

    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: R) -> Watched<S::Future> {
        let WatchLayer { table, polls } = self.layer.clone();
        Watched { future: self.inner.call(request), table, polls, number: 0 }
    }
}
