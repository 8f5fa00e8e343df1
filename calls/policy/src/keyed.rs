//! Decides which of many instances of a policy a key has: one for each endpoint, tenant or route, made when the key
//! is first seen, within a bound that keys chosen by strangers cannot pass.

pub(crate) mod shards;
pub(crate) mod table;

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use self::shards::Shards;
use self::table::Table;
use crate::limits::KEYED_SWEEP_FULL;
use crate::sync::{AtomicU64, Ordering};

/// A policy for each key, at most `max` of them.
///
/// When all places are taken, one that nobody holds and that was not asked for lately makes room; where every one
/// that was looked at is held or worth keeping, the new key shares the overflow instance with all others that came
/// too late. Looking is bounded, so that asking for a key takes the same time however many there are.
pub struct Keyed<K, P> {
    shards: Shards<Table<K, Entry<P>>>,
    make: Box<dyn Fn(&K) -> P + Send + Sync>,
    worth_keeping: fn(&P) -> bool,
    overflow: Arc<P>,
    overflowed: AtomicU64,
}

struct Entry<P> {
    policy: Arc<P>,
    asked_for: bool,
}

impl<K: Hash + Eq, P> Keyed<K, P> {
    /// No keys yet. `make` makes the policy of a key; it is called under a lock and must not come back here.
    /// `overflow` is for keys that find no place.
    pub fn new(max: usize, overflow: P, make: impl Fn(&K) -> P + Send + Sync + 'static) -> Self {
        Self {
            shards: Shards::new(max, Table::new),
            make: Box::new(make),
            worth_keeping: |_| false,
            overflow: Arc::new(overflow),
            overflowed: AtomicU64::new(0),
        }
    }

    /// The same, where what a policy has learned may be worth keeping although nobody holds it: a breaker that is
    /// open.
    #[must_use]
    pub fn keep(mut self, worth_keeping: fn(&P) -> bool) -> Self {
        self.worth_keeping = worth_keeping;
        self
    }

    /// The policy of `key`. As long as the caller holds it, every other caller gets the same one.
    pub fn get<Q>(&self, key: &Q) -> Arc<P>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.shards.hash(key);
        // What makes room is dropped when the lock is free again.
        let _evicted;
        let mut table = self.shards.lock(hash);
        if let Some(entry) = table.find(hash, key) {
            entry.asked_for = true;
            return Arc::clone(&entry.policy);
        }
        if table.is_full() {
            _evicted = table.evict(KEYED_SWEEP_FULL, |entry| self.idle(entry));
            if _evicted.is_none() {
                self.overflowed.fetch_add(1, Ordering::Relaxed);
                return Arc::clone(&self.overflow);
            }
        }
        let key = key.to_owned();
        let policy = Arc::new((self.make)(&key));
        table.insert(hash, key, Entry { policy: Arc::clone(&policy), asked_for: true }, self.shards.hasher());
        policy
    }

    fn idle(&self, entry: &mut Entry<P>) -> table::Idle {
        if Arc::strong_count(&entry.policy) > 1 || (self.worth_keeping)(&entry.policy) {
            table::Idle::Busy
        } else if std::mem::take(&mut entry.asked_for) {
            table::Idle::Lately
        } else {
            table::Idle::Long
        }
    }

    /// Forgets `key`. Who holds its policy keeps it.
    pub fn remove<Q>(&self, key: &Q) -> Option<Arc<P>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.shards.hash(key);
        let removed = self.shards.lock(hash).remove(hash, key);
        removed.map(|entry| entry.policy)
    }

    /// Looks at every key, a part of them at a time; `look` is called under a lock and must not come back here.
    pub fn for_each(&self, mut look: impl FnMut(&K, &Arc<P>)) {
        for mut table in self.shards.each() {
            table.for_each(|key, entry| look(key, &entry.policy));
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.shards.each().map(|table| table.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often a key found no place.
    pub fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }
}

impl<K, P> fmt::Debug for Keyed<K, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn keyed(max: usize) -> Keyed<String, String> {
        Keyed::new(max, "overflow".into(), |key: &String| format!("policy of {key}"))
    }

    #[test]
    fn a_key_has_one_policy_that_is_made_when_it_is_first_seen() {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let keyed = Keyed::new(10, 0, |key: &u64| {
            MADE.fetch_add(1, Ordering::SeqCst);
            *key
        });
        assert!(keyed.is_empty());
        let (one, again, two) = (keyed.get(&1), keyed.get(&1), keyed.get(&2));
        assert!(Arc::ptr_eq(&one, &again) && *two == 2);
        assert_eq!((keyed.len(), MADE.load(Ordering::SeqCst)), (2, 2));
        assert_eq!(keyed.remove(&1).as_deref(), Some(&1));
        assert!(!Arc::ptr_eq(&one, &keyed.get(&1)));
        let mut seen = Vec::new();
        keyed.for_each(|key, policy| seen.push((*key, **policy)));
        seen.sort_unstable();
        assert_eq!(seen, [(1, 1), (2, 2)]);
    }

    #[test]
    fn there_are_never_more_than_the_bound_whatever_strangers_send() {
        for max in [1, 7, 1_000] {
            let keyed = keyed(max);
            for stranger in 0..5_000 {
                drop(keyed.get(format!("{stranger}").as_str()));
                assert!(keyed.len() <= max);
            }
            assert_eq!(keyed.overflowed(), 0, "nobody held one");
        }
    }

    #[test]
    fn what_is_held_stays_and_who_comes_too_late_shares_the_overflow() {
        let keyed = keyed(3);
        let held: Vec<_> = ["a", "b", "c"].map(|key| keyed.get(key)).into();
        assert_eq!(*keyed.get("d"), "overflow");
        assert!(Arc::ptr_eq(&keyed.get("d"), &keyed.get("e")));
        assert_eq!(keyed.overflowed(), 3);
        for (key, policy) in ["a", "b", "c"].iter().zip(&held) {
            assert!(Arc::ptr_eq(&keyed.get(*key), policy));
        }
        drop(held);
        assert_eq!(*keyed.get("d"), "policy of d");
        assert_eq!(keyed.len(), 3);
    }

    #[test]
    fn what_is_worth_keeping_stays_and_what_was_asked_for_lately_goes_last() {
        let keyed = keyed(3).keep(|policy| policy.ends_with('a'));
        for key in ["a", "b", "c"] {
            keyed.get(key);
        }
        keyed.get("d");
        let (gone, stays) = match keyed.remove("b") {
            None => ("b", "c"),
            Some(_) => ("c", "b"),
        };
        keyed.get(gone);
        for _ in 0..20 {
            keyed.get("a");
        }
        for stranger in 0..20 {
            keyed.get(format!("x{stranger}").as_str());
        }
        let mut keys = Vec::new();
        keyed.for_each(|key, _| keys.push(key.clone()));
        assert!(keys.contains(&"a".to_owned()), "{keys:?} {stays}");
    }
}
