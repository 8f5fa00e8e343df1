//! What a cache has done, counted, and how it stands.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::core::request::Reason;

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
            pub(crate) bypassed: [AtomicU64; Reason::COUNT],
        }

        /// What a cache has done since it was built.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
            /// Requests that were passed by, in the order of [`Reason::ALL`].
            pub bypassed: [u64; Reason::COUNT],
        }

        impl Counters {
            pub(crate) fn read(&self) -> Counts {
                Counts {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    bypassed: self.bypassed.each_ref().map(|count| count.load(Ordering::Relaxed)),
                }
            }
        }
    };
}

counts! {
    /// Requests that were answered with what was fresh.
    hits,
    /// Requests that were answered with what was stale: while it was fetched, in place of an error, or because they take
    /// it.
    stale,
    /// Requests that were forwarded to be kept.
    misses,
    /// Of those that were answered, how many had waited for another.
    collapsed,
    /// Times that a request waited for another.
    waits,
    /// Fetches that nobody waited for, of what was stale.
    refreshes,
    /// Answers that the service said have not changed.
    revalidated,
    /// Answers that were kept, those that have not changed included.
    stored,
    /// Answers that were not kept, for they may not be, or are too large.
    unstorable,
    /// Answers that were not kept, for they were purged while they came.
    overtaken,
    /// Fetches that failed, or were answered with an error that is not kept.
    failed,
    /// Fetches that were dropped before their end.
    aborted,
    /// Requests that found nothing although they asked for nothing else.
    only_if_cached,
    /// Purges, and changes by unsafe methods.
    purges,
}

pub(crate) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counts {
    /// How many requests were passed by for `reason`.
    pub fn bypassed_for(&self, reason: Reason) -> u64 {
        self.bypassed.get(reason as usize).copied().unwrap_or(0)
    }
}

/// How a cache stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Description {
    /// What it is called.
    pub name: String,
    /// Entries: answers, and what is known of addresses.
    pub entries: usize,
    /// Bytes that they cost.
    pub bytes: u64,
    /// Bytes that they may cost.
    pub capacity_bytes: u64,
    /// Bytes of answers that are being read.
    pub buffered_bytes: u64,
    /// Fetches under way.
    pub fills: usize,
    /// Entries that had to go for others.
    pub evicted: u64,
    /// What it has done.
    pub counts: Counts,
}
