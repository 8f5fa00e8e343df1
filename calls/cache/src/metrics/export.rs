//! The counters of caches in a registry, under the names of the one table.

use std::sync::atomic::Ordering;

use mamparo_telemetry::{Counter, EncodeLabelSet, Family, Gauge, Registry, metrics as names};

use super::Metrics;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCache {
    cache: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    cache: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCause {
    cache: String,
    cause: &'static str,
}

/// What is watched: the name of a cache, and how to read it.
type Source = Box<dyn Fn() -> Read + Send + Sync>;

pub(crate) struct Read {
    pub(crate) name: String,
    pub(crate) metrics: Metrics,
    pub(crate) entries: usize,
    pub(crate) weight: u64,
}

/// The metrics of any number of caches in one registry. They stand as they are when [`refresh`](Self::refresh) is
/// called, which is before they are read.
pub struct CacheMetrics {
    sources: Vec<Source>,
    reads: Family<OfKind, Counter>,
    loads: Family<OfKind, Counter>,
    load_micros: Family<OfCache, Counter>,
    evictions: Family<OfCause, Counter>,
    entries: Family<OfCache, Gauge>,
    weight: Family<OfCache, Gauge>,
}

impl CacheMetrics {
    /// Registers the names; once for each registry.
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            sources: Vec::new(),
            reads: names::CACHE_READS.register_family(registry),
            loads: names::CACHE_LOADS.register_family(registry),
            load_micros: names::CACHE_LOAD_MICROS.register_family(registry),
            evictions: names::CACHE_EVICTIONS.register_family(registry),
            entries: names::CACHE_ENTRIES.register_family(registry),
            weight: names::CACHE_WEIGHT.register_family(registry),
        }
    }

    pub(crate) fn watch_source(&mut self, source: Source) {
        self.sources.push(source);
    }

    /// Sets every metric to what it is now.
    pub fn refresh(&self) {
        for source in &self.sources {
            self.show(source());
        }
    }

    fn show(&self, read: Read) {
        let Read { name, metrics, entries, weight } = read;
        let set = |counter: &Counter, total: u64| counter.inner().store(total, Ordering::Relaxed);
        let of_kind = |kind| OfKind { cache: name.clone(), kind };
        for (kind, total) in [
            ("hit", metrics.hits),
            ("stale", metrics.stale),
            ("miss", metrics.misses),
            ("joined", metrics.joined),
        ] {
            set(&self.reads.get_or_create(&of_kind(kind)), total);
        }
        for (kind, total) in [
            ("begun", metrics.loads),
            ("refresh", metrics.refreshes),
            ("failed", metrics.failures),
            ("overtaken", metrics.overtaken),
            ("refused", metrics.refused),
        ] {
            set(&self.loads.get_or_create(&of_kind(kind)), total);
        }
        for (cause, total) in [
            ("capacity", metrics.evicted),
            ("expired", metrics.expired),
            ("invalidated", metrics.invalidated),
            ("tag", metrics.untagged),
            ("rejected", metrics.rejected),
        ] {
            set(&self.evictions.get_or_create(&OfCause { cache: name.clone(), cause }), total);
        }
        let of_cache = OfCache { cache: name };
        set(&self.load_micros.get_or_create(&of_cache), metrics.load_micros);
        let gauge = |gauge: &Gauge, value: u64| _ = gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        gauge(&self.entries.get_or_create(&of_cache), entries as u64);
        gauge(&self.weight.get_or_create(&of_cache), weight);
    }
}

impl std::fmt::Debug for CacheMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheMetrics").field("caches", &self.sources.len()).finish_non_exhaustive()
    }
}
