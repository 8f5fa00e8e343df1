//! Gives each thread a stripe of the counters that it alone writes to, and takes it back when the thread ends. When
//! there are more threads than stripes, the others share one.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};

/// Stripes of each counter, the shared one included.
pub(super) const STRIPES: usize = 32;
/// The stripe of the threads that have none of their own.
pub(super) const SHARED: usize = STRIPES - 1;
/// The thread has not asked yet.
const UNKNOWN: usize = usize::MAX;

/// Which stripes somebody has. A thread that comes after another has all that the other has counted, for both hold
/// this lock.
static TAKEN: Mutex<[bool; SHARED]> = Mutex::new([false; SHARED]);

thread_local! {
    /// Without a destructor, so that looking at it costs nothing.
    static OWN: Cell<usize> = const { Cell::new(UNKNOWN) };
    static LEASE: Lease = take();
}

/// Gives the stripe back when its thread ends.
struct Lease(usize);

impl Drop for Lease {
    fn drop(&mut self) {
        // What is counted after this, by other destructors of the thread, goes to the shared one.
        OWN.set(SHARED);
        if let Some(taken) = TAKEN.lock().unwrap_or_else(PoisonError::into_inner).get_mut(self.0) {
            *taken = false;
        }
    }
}

fn take() -> Lease {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let free = taken.iter().position(|taken| !taken).unwrap_or(SHARED);
    if let Some(taken) = taken.get_mut(free) {
        *taken = true;
    }
    Lease(free)
}

/// The stripe of this thread, less than [`STRIPES`].
#[inline]
pub(super) fn own() -> usize {
    match OWN.get() {
        own if own < STRIPES => own,
        _ => first(),
    }
}

#[cold]
fn first() -> usize {
    let own = LEASE.try_with(|lease| lease.0).unwrap_or(SHARED);
    OWN.set(own);
    own
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use std::sync::Barrier;

    use crate::metrics::Counters;

    #[test]
    fn nothing_is_lost_with_more_threads_than_stripes_nor_when_threads_come_and_go() {
        const THREADS: usize = 50;
        let counters = Counters::default();
        for _ in 0..4 {
            let all_here = Barrier::new(THREADS);
            std::thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        counters.hit();
                        all_here.wait();
                        (1..1_000).for_each(|_| counters.hit());
                    });
                }
            });
        }
        assert_eq!(counters.read().hits, 4 * THREADS as u64 * 1_000);
    }
}
