//! What an admission policy has done, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one policy. Counting is one relaxed addition.
#[derive(Debug, Default)]
pub struct Counts {
    admitted: AtomicU64,
    waited: AtomicU64,
    refused: AtomicU64,
    shadow_waited: AtomicU64,
    shadow_refused: AtomicU64,
    cancelled: AtomicU64,
}

/// What [`Counts`] showed at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Calls that were let go, at once or after a wait.
    pub admitted: u64,
    /// Calls that were told to wait.
    pub waited: u64,
    /// Calls that were refused.
    pub refused: u64,
    /// Calls that would have had to wait, had the policy been enforced.
    pub shadow_waited: u64,
    /// Calls that would have been refused, had the policy been enforced.
    pub shadow_refused: u64,
    /// Admitted calls that were dropped before they came to anything.
    pub cancelled: u64,
}

macro_rules! count {
    ($($name:ident),*) => {
        impl Counts {
            $(
                #[inline]
                pub(crate) fn $name(&self) {
                    self.$name.fetch_add(1, Ordering::Relaxed);
                }
            )*

            /// What they show now.
            pub fn read(&self) -> Counted {
                Counted { $($name: self.$name.load(Ordering::Relaxed)),* }
            }
        }

        impl Counted {
            /// Each with its name, for metrics.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }
    };
}

count!(admitted, waited, refused, shadow_waited, shadow_refused, cancelled);
