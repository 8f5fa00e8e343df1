//! The way of a load: the second level, then the lease, then the source; and what is put back on the way.

use std::time::Duration;

use mamparo_context::Context;
use mamparo_policy::time::sleep_until;

use super::entry::Entry;
use super::two_level::{Inner, count};
use super::{Kept, Lease};
use crate::cache::{Key, Loaded, Value};
use crate::error::BoxError;
use crate::limits::DURATION_MAX;
use crate::options::EntryOptions;
use crate::sync::lock;

/// The first pause of who waits for another node; it doubles, up to the longest.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(100);

impl<K: Key, V: Value> Inner<K, V> {
    pub(super) async fn load<F, Fut, T, E>(&self, cx: Context, key: K, load: F) -> Result<Loaded<V>, BoxError>
    where
        F: FnOnce(Context) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        T: Into<Loaded<V>>,
        E: Into<BoxError>,
    {
        let source = async |cx| load(cx).await.map(Into::into).map_err(Into::into);
        let bytes = self.keys.encode(&key)?;
        let Some(old) = self.believed(&cx, &bytes).await else {
            count(&self.counts.misses);
            return source(cx).await;
        };
        if let Some(fresh) = old.as_ref().filter(|entry| self.is_fresh(entry)) {
            count(&self.counts.hits);
            return self.loaded(fresh);
        }
        let lease = self.ask(&cx, self.tier.lease(&bytes, self.options.lease)).await;
        if lease == Some(Lease::Taken)
            && let Some(entry) = self.wait_for_another(&cx, &bytes, old.as_ref()).await
        {
            count(&self.counts.hits);
            return self.loaded(&entry);
        }
        count(&self.counts.misses);
        let held = match lease {
            Some(Lease::Held { token, sequence }) => Some((token, sequence)),
            _ => None,
        };
        let clock = self.cache.clock();
        let began = clock.moment();
        let loaded = source(cx.clone()).await;
        match (loaded, held) {
            (Ok(loaded), Some((token, sequence))) => {
                let cost = clock.moment().since(began);
                self.fill(&cx, &bytes, &loaded, token, sequence, cost).await;
                Ok(loaded)
            }
            (Ok(loaded), None) => Ok(loaded),
            (Err(error), held) => {
                if let Some((token, _)) = held {
                    let _ = self.ask(&cx, self.tier.release(&bytes, token)).await;
                }
                // An old entry is better than an error, for a while.
                let old = old.filter(|entry| self.age(entry) < self.cache.options().stale_if_error);
                old.and_then(|entry| self.loaded(&entry).ok()).ok_or(error)
            }
        }
    }

    /// What the second level has, if it can be believed; `None` if it cannot be asked.
    async fn believed(&self, cx: &Context, key: &[u8]) -> Option<Option<Entry>> {
        if lock(&self.recovery).covers(&bytes::Bytes::copy_from_slice(key)) {
            return None;
        }
        let Kept { entry, cleared } = self.ask(cx, self.tier.read(key)).await?;
        let Some(entry) = entry.and_then(|bytes| Entry::decode(&bytes)) else { return Some(None) };
        if entry.sequence < cleared {
            return Some(None);
        }
        if !entry.tags.is_empty() {
            let newest = self.ask(cx, self.tier.tags(&entry.tags)).await?;
            if entry.sequence < newest {
                return Some(None);
            }
        }
        Some(Some(entry))
    }

    /// Looks until another node has loaded the key, or its lease must have ended. An old entry that may be served
    /// while a new one is loaded is not waited for.
    async fn wait_for_another(&self, cx: &Context, key: &[u8], old: Option<&Entry>) -> Option<Entry> {
        let is_served = |entry: &&Entry| self.age(entry) < self.cache.options().stale_while_revalidate;
        if let Some(entry) = old.filter(is_served) {
            return Some(entry.clone());
        }
        count(&self.counts.waited);
        let clock = self.cache.clock();
        let (until, mut pause) = (clock.moment() + self.options.lease, PAUSE);
        while clock.moment() < until {
            sleep_until(clock, until.min(clock.moment() + pause.mul_f64(0.5 + 0.5 * self.random.unit())))
                .await;
            pause = (pause * 2).min(PAUSE_MAX);
            let entry = self.believed(cx, key).await?;
            if let Some(entry) = entry.filter(|entry| self.is_fresh(entry)) {
                return Some(entry);
            }
        }
        None
    }

    fn is_fresh(&self, entry: &Entry) -> bool {
        self.cache.clock().wall() < entry.fresh_until
    }

    /// For how long it is no longer fresh.
    fn age(&self, entry: &Entry) -> Duration {
        self.cache.clock().wall().since(entry.fresh_until)
    }

    /// As the first level takes it: for as long as it is fresh, and not longer than the first level keeps anything.
    /// What is not fresh is kept for the pause after an error.
    fn loaded(&self, entry: &Entry) -> Result<Loaded<V>, BoxError> {
        let value = entry.value.as_deref().map(|bytes| self.values.decode(bytes)).transpose()?;
        let options = self.cache.options();
        let left = match entry.fresh_until.since(self.cache.clock().wall()) {
            Duration::ZERO => options.error_pause,
            left => left,
        };
        let own = if value.is_some() { options.time_to_live } else { options.negative };
        let life = own.map_or(left, |own| own.min(left));
        let options = EntryOptions { time_to_live: Some(life), weight: None, tags: entry.tags.clone() };
        Ok(Loaded { value, options })
    }

    async fn fill(
        &self,
        cx: &Context,
        key: &[u8],
        loaded: &Loaded<V>,
        token: u64,
        sequence: u64,
        cost: Duration,
    ) {
        let cache = self.cache.options();
        let own = loaded.options.time_to_live;
        let life = match loaded.value {
            Some(_) => Some(own.unwrap_or(self.options.time_to_live)),
            None => own.or(cache.negative),
        };
        let value = loaded.value.as_ref().map(|value| self.values.encode(value)).transpose();
        let (Some(life), Ok(value)) = (life.filter(|life| !life.is_zero()), value) else {
            let _ = self.ask(cx, self.tier.release(key, token)).await;
            return;
        };
        let fresh_until = self.cache.clock().wall() + life;
        let entry = Entry { value, fresh_until, sequence, cost, tags: loaded.options.tags.clone() };
        let kept = (life + cache.stale_while_revalidate.max(cache.stale_if_error)).min(DURATION_MAX);
        match self.ask(cx, self.tier.fill(key, token, entry.encode(), kept)).await {
            Some(true) => count(&self.counts.filled),
            Some(false) => count(&self.counts.overtaken),
            None => {}
        }
    }
}
