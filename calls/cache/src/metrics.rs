//! What a cache has done, counted. A counter is a stripe for each of a few threads, so that readers on several cores
//! do not fight for one line of memory.

mod export;
mod stripe;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use export::CacheMetrics;
pub(crate) use export::Read;
use stripe::STRIPES;

/// What is counted on the way of a hit: one line of memory for each stripe.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe {
    hits: AtomicU64,
    stale: AtomicU64,
    misses: AtomicU64,
}

/// Counts on the thread's own stripe, where nobody else writes: without it, a locked addition would be a large part
/// of what a hit costs.
#[inline]
fn count(stripes: &[Stripe; STRIPES], which: impl Fn(&Stripe) -> &AtomicU64) {
    let own = stripe::own();
    let counter = which(&stripes[own]);
    if own == stripe::SHARED {
        counter.fetch_add(1, Ordering::Relaxed);
    } else {
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            stripes: [Stripe; STRIPES],
            $($name: AtomicU64,)*
        }

        /// What a cache has done since it was built.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Metrics {
            /// Reads that were answered with an entry that was fresh, absences included.
            pub hits: u64,
            /// Reads that were answered with an entry that was no longer fresh.
            pub stale: u64,
            /// Reads that found nothing to answer with.
            pub misses: u64,
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            $(
                pub(crate) fn $name(&self, count: u64) {
                    self.$name.fetch_add(count, Ordering::Relaxed);
                }
            )*

            pub(crate) fn read(&self) -> Metrics {
                let sum = |of: fn(&Stripe) -> &AtomicU64| {
                    self.stripes.iter().map(|stripe| of(stripe).load(Ordering::Relaxed)).sum()
                };
                Metrics {
                    hits: sum(|stripe| &stripe.hits),
                    stale: sum(|stripe| &stripe.stale),
                    misses: sum(|stripe| &stripe.misses),
                    $($name: self.$name.load(Ordering::Relaxed),)*
                }
            }
        }
    };
}

metrics! {
    /// Callers that waited for a load that somebody else had begun.
    joined,
    /// Loads that were begun.
    loads,
    /// Of them, those that nobody waited for: entries that were stale, or near their end.
    refreshes,
    /// Loads that failed, timed out, panicked or were dropped.
    failures,
    /// Loads whose result was not stored, for the key was written or invalidated meanwhile.
    overtaken,
    /// Loads that were not begun, for too many run.
    refused,
    /// Microseconds that loads took.
    load_micros,
    /// Entries that had to go for others, or that were too heavy to be let in.
    evicted,
    /// Entries that had come to their end when somebody looked.
    expired,
    /// Entries that were invalidated by their key, or by a clearing of everything.
    invalidated,
    /// Entries that had been invalidated by a tag when somebody looked.
    untagged,
    /// Entries that were not kept, for there was no room for their tags.
    rejected,
}

impl Counters {
    #[inline]
    pub(crate) fn hit(&self) {
        count(&self.stripes, |stripe| &stripe.hits);
    }

    #[inline]
    pub(crate) fn stale(&self) {
        count(&self.stripes, |stripe| &stripe.stale);
    }

    #[inline]
    pub(crate) fn miss(&self) {
        count(&self.stripes, |stripe| &stripe.misses);
    }
}

impl Metrics {
    /// Which share of the reads was answered without waiting; 0 before the first.
    pub fn hit_ratio(&self) -> f64 {
        let served = (self.hits + self.stale) as f64;
        let reads = served + self.misses as f64;
        if reads > 0.0 { served / reads } else { 0.0 }
    }

    /// How long a load took on average.
    pub fn load_cost(&self) -> Duration {
        Duration::from_micros(self.load_micros.checked_div(self.loads).unwrap_or(0))
    }
}
