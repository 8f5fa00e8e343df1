//! A source that counts, fails and waits as a test wants it, and a clock moved by hand.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mamparo_cache::{Builder, Cache};
use mamparo_context::{Clock, Context, ManualClock, Random};
use tokio::sync::Notify;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const KEY: &str = "mate";

pub(crate) type Small = Cache<String, u64>;

/// A load on its way.
type Loading = std::pin::Pin<Box<dyn Future<Output = Result<Option<u64>, Down>> + Send>>;

/// The source said no.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Down(pub(crate) u32);

impl std::fmt::Display for Down {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the source is down ({})", self.0)
    }
}

impl std::error::Error for Down {}

/// Where values come from.
#[derive(Clone, Default)]
pub(crate) struct Source(Arc<Inside>);

#[derive(Default)]
struct Inside {
    rows: Mutex<HashMap<String, u64>>,
    loads: AtomicUsize,
    failing: Mutex<Option<u32>>,
    gate: Mutex<Option<Arc<Notify>>>,
}

impl Source {
    pub(crate) fn with(value: u64) -> Self {
        let source = Self::default();
        source.set(value);
        source
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.rows.lock().unwrap().insert(KEY.into(), value);
    }

    pub(crate) fn remove(&self) {
        self.0.rows.lock().unwrap().remove(KEY);
    }

    pub(crate) fn fail(&self, with: Option<u32>) {
        *self.0.failing.lock().unwrap() = with;
    }

    /// From now on every load that has read waits until the gate is opened.
    pub(crate) fn shut(&self) -> Gate {
        let gate = Arc::new(Notify::new());
        *self.0.gate.lock().unwrap() = Some(Arc::clone(&gate));
        Gate { source: self.clone(), gate }
    }

    pub(crate) fn loads(&self) -> usize {
        self.0.loads.load(Ordering::SeqCst)
    }

    /// Reads, then waits at the gate if there is one, then fails if it is told to.
    pub(crate) async fn read(self, key: String) -> Result<Option<u64>, Down> {
        self.0.loads.fetch_add(1, Ordering::SeqCst);
        let value = self.0.rows.lock().unwrap().get(&key).copied();
        let gate = self.0.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        let failing = *self.0.failing.lock().unwrap();
        match failing {
            Some(number) => Err(Down(number)),
            None => Ok(value),
        }
    }

    /// A load of this source for `get_or_load`.
    pub(crate) fn load(&self) -> impl FnOnce(Context) -> Loading + Send + use<> {
        let source = self.clone();
        move |_| Box::pin(source.read(KEY.into()))
    }
}

/// Holds back the loads of a source.
pub(crate) struct Gate {
    source: Source,
    gate: Arc<Notify>,
}

impl Gate {
    /// Lets one load pass.
    pub(crate) fn pass_one(&self) {
        self.gate.notify_one();
    }

    /// Lets those pass who wait, and all that come.
    pub(crate) fn open(self) {
        *self.source.0.gate.lock().unwrap() = None;
        self.gate.notify_waiters();
        self.gate.notify_one();
    }
}

/// A cache on a clock moved by hand.
pub(crate) fn cache(
    build: impl FnOnce(Builder<String, u64>) -> Builder<String, u64>,
) -> (Small, ManualClock) {
    let (clock, manual) = Clock::manual();
    let builder = Cache::builder("small").clock(clock).random(Random::seeded(7)).capacity(1_000);
    (build(builder).build().unwrap(), manual)
}

/// Lets all other tasks of this thread go as far as they can.
pub(crate) async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}
