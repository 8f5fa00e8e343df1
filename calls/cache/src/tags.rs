//! Names under which entries are invalidated together: one number for each name, which the entries look at, so that
//! nothing has to be searched for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::{TAGS_MAX, TAGS_PER_ENTRY};
use crate::sync::{Mutex, lock};

/// One name. It holds the epoch of the last invalidation: what is older is no longer true.
#[derive(Debug, Default)]
pub(crate) struct Tag(AtomicU64);

/// The names of one entry.
#[derive(Debug, Default)]
pub(crate) struct Tagged(Box<[Arc<Tag>]>);

impl Tagged {
    /// Whether what was written at `epoch` still is true.
    pub(crate) fn holds(&self, epoch: u64) -> bool {
        self.0.iter().all(|tag| tag.0.load(Ordering::Acquire) <= epoch)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// All names that entries bear, and those that were invalidated not long ago.
#[derive(Debug, Default)]
pub(crate) struct Tags(Mutex<HashMap<Arc<str>, Arc<Tag>>>);

impl Tags {
    /// The names for an entry; `None` when there is no room for them. `oldest` is the epoch of the oldest load that
    /// runs: what was invalidated since then must not be forgotten.
    pub(crate) fn tagged(&self, names: &[Arc<str>], oldest: u64) -> Option<Tagged> {
        if names.is_empty() {
            return Some(Tagged::default());
        }
        if names.len() > TAGS_PER_ENTRY {
            return None;
        }
        let mut all = lock(&self.0);
        let tags = names.iter().map(|name| Self::tag(&mut all, name, oldest)).collect::<Option<_>>()?;
        Some(Tagged(tags))
    }

    /// What bears `name` and is older than `epoch` is no longer true. Says whether there was room to note it.
    #[must_use]
    pub(crate) fn invalidate(&self, name: &str, epoch: u64, oldest: u64) -> bool {
        let Some(tag) = Self::tag(&mut lock(&self.0), &Arc::from(name), oldest) else { return false };
        tag.0.fetch_max(epoch, Ordering::AcqRel);
        true
    }

    fn tag(all: &mut HashMap<Arc<str>, Arc<Tag>>, name: &Arc<str>, oldest: u64) -> Option<Arc<Tag>> {
        if let Some(tag) = all.get(name) {
            return Some(Arc::clone(tag));
        }
        if all.len() >= TAGS_MAX {
            // A name that no entry bears is forgotten, unless a load that is older may come to bear it.
            all.retain(|_, tag| Arc::strong_count(tag) > 1 || tag.0.load(Ordering::Acquire) > oldest);
            if all.len() >= TAGS_MAX {
                return None;
            }
        }
        let tag = Arc::<Tag>::default();
        all.insert(Arc::clone(name), Arc::clone(&tag));
        Some(tag)
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_bears_make_room() {
        let tags = Tags::default();
        let kept = tags.tagged(&["kept".into()], 0).unwrap();
        for number in 0..TAGS_MAX as u64 * 2 {
            assert!(tags.invalidate(&format!("tag-{number}"), number + 1, u64::MAX));
        }
        assert!(tags.invalidate("kept", 7, u64::MAX));
        assert!(!kept.holds(6));
        assert!(kept.holds(7));
    }

    #[test]
    fn what_a_running_load_may_come_to_bear_is_not_forgotten() {
        let tags = Tags::default();
        for number in 0..TAGS_MAX {
            assert!(tags.invalidate(&format!("tag-{number}"), 5, 4));
        }
        assert!(!tags.invalidate("one too many", 6, 4));
        assert!(tags.tagged(&["one too many".into()], 4).is_none());
        assert!(tags.tagged(&["one too many".into()], 5).is_some());
    }
}
