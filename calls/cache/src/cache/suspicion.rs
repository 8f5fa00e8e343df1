//! Since when entries of which age may no longer be true. A few moments are kept apart, so that a second suspicion
//! does not lengthen the time for which an entry is served that was suspect already.

use std::sync::atomic::{AtomicU64, Ordering};

use mamparo_context::Moment;

use crate::limits::SUSPICIONS_MAX;
use crate::sync::{Mutex, lock};

#[derive(Debug, Default)]
pub(crate) struct Suspicions {
    latest: AtomicU64,
    /// Ascending: what is older than the epoch is suspect since the moment.
    all: Mutex<Vec<(u64, Moment)>>,
}

impl Suspicions {
    /// What is older than this is suspect.
    #[inline]
    pub(crate) fn latest(&self) -> u64 {
        self.latest.load(Ordering::Acquire)
    }

    /// What is older than `epoch` is suspect since `now`.
    pub(crate) fn add(&self, epoch: u64, now: Moment) {
        let mut all = lock(&self.all);
        all.push((epoch, now));
        all.sort_unstable();
        if all.len() > SUSPICIONS_MAX {
            // The two oldest become one that is as old as the first and reaches as far as the second.
            let (_, since) = all.remove(0);
            all[0].1 = all[0].1.min(since);
        }
        self.latest.fetch_max(epoch, Ordering::AcqRel);
    }

    /// Since when what was read at `epoch` is suspect.
    pub(crate) fn since(&self, epoch: u64) -> Option<Moment> {
        if epoch >= self.latest() {
            return None;
        }
        lock(&self.all).iter().find(|(own, _)| epoch < *own).map(|(_, since)| *since)
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_suspect_since_the_first_suspicion_after_it() {
        let suspicions = Suspicions::default();
        let at = Moment::from_nanos;
        assert_eq!(suspicions.since(0), None);
        suspicions.add(3, at(30));
        suspicions.add(7, at(70));
        for (epoch, since) in [(0, Some(30)), (2, Some(30)), (3, Some(70)), (6, Some(70)), (7, None)] {
            assert_eq!(suspicions.since(epoch), since.map(at), "epoch {epoch}");
        }
        for epoch in 8..200 {
            suspicions.add(epoch, at(epoch * 10));
        }
        assert_eq!(lock(&suspicions.all).len(), SUSPICIONS_MAX);
        assert_eq!(suspicions.since(0), Some(at(30)));
        assert_eq!(suspicions.since(150), Some(at(30)), "rather too old than too young");
        assert_eq!(suspicions.since(198), Some(at(1990)));
    }
}
