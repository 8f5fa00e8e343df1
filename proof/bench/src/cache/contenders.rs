//! The caches that are compared, behind one face that is called once for thousands of reads.

use std::hint::black_box;
use std::time::Duration;

use mamparo_cache::Cache;

/// Longer than any bench: entries have a time to live, and do not come to its end.
const LIFE: Duration = Duration::from_secs(3_600);

/// A cache that is compared.
pub(super) trait Contender: Sync {
    fn name(&self) -> &'static str;
    /// How many of `keys` are there.
    fn hits(&self, keys: &[u64]) -> usize;
    fn insert(&self, key: u64, value: u64);
    /// Whether it is there; if not, it is put there.
    fn get_or_insert(&self, key: u64) -> bool;
}

macro_rules! contender {
    ($type:ident($cache:ty), |$own:ident, $key:ident| $get:expr) => {
        struct $type(&'static str, $cache);

        impl Contender for $type {
            fn name(&self) -> &'static str {
                self.0
            }

            fn hits(&self, keys: &[u64]) -> usize {
                let $own = &self.1;
                keys.iter().filter(|&$key| black_box($get).is_some()).count()
            }

            fn insert(&self, key: u64, value: u64) {
                self.1.insert(key, value);
            }

            fn get_or_insert(&self, key: u64) -> bool {
                let ($own, $key) = (&self.1, &key);
                let is_there = black_box($get).is_some();
                if !is_there {
                    self.1.insert(key, key);
                }
                is_there
            }
        }
    };
}

contender!(Ours(Cache<u64, u64>), |cache, key| cache.get(key));
contender!(Moka(moka::sync::Cache<u64, u64>), |cache, key| cache.get(key));
contender!(Quick(quick_cache::sync::Cache<u64, u64>), |cache, key| cache.get(key));
contender!(Foyer(foyer_memory::Cache<u64, u64>), |cache, key| cache.get(key).map(|entry| *entry.value()));

/// Ours first, then the peers.
pub(super) fn without_time(capacity: u64) -> Vec<Box<dyn Contender>> {
    let size = capacity as usize;
    vec![
        Box::new(Ours("ours", Cache::builder("bench").capacity(capacity).build().unwrap())),
        Box::new(Quick("quick_cache", quick_cache::sync::Cache::new(size))),
        Box::new(Moka("moka", moka::sync::Cache::new(capacity))),
        Box::new(Foyer("foyer", foyer_memory::CacheBuilder::new(size).build())),
    ]
}

/// Those that know of time.
pub(super) fn with_time(capacity: u64) -> Vec<Box<dyn Contender>> {
    let ours = || Cache::builder("bench").capacity(capacity).time_to_live(LIFE);
    vec![
        Box::new(Ours("ours", ours().build().unwrap())),
        Box::new(Ours("ours (coarse)", ours().coarse_time().build().unwrap())),
        Box::new(Moka(
            "moka",
            moka::sync::Cache::builder().max_capacity(capacity).time_to_live(LIFE).build(),
        )),
    ]
}
