//! What caches export: read when somebody asks, so that counting costs a request no more than an addition. The only
//! label that is not one of a few words is the name of the cache, which is that of its route.

use std::fmt;

use mamparo_telemetry::{CounterName, GaugeName, Registry, metrics as names};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::core::request::Reason;
use crate::{Counts, Description, HttpCache};

/// Exports the caches that `caches` gives, each time those that there are then, below names of the table
/// [`mamparo_telemetry::metrics`]. Two caches of the same name would be the same series: give each a name of its own.
pub fn register<F>(registry: &mut Registry, caches: F)
where
    F: Fn() -> Vec<HttpCache> + Send + Sync + 'static,
{
    registry.register_collector(Box::new(Caches(Box::new(caches))));
}

struct Caches(Box<dyn Fn() -> Vec<HttpCache> + Send + Sync>);

impl fmt::Debug for Caches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caches")
    }
}

/// The values of a counter, by the word of its second label.
type Words = fn(&Counts) -> Vec<(&'static str, u64)>;

const BY_WORD: [(CounterName, &str, Words); 3] = [
    (names::HTTP_CACHE_REQUESTS, "result", |counts| {
        vec![
            ("hit", counts.hits),
            ("stale", counts.stale),
            ("miss", counts.misses),
            ("bypass", counts.bypassed.iter().sum()),
            ("absent", counts.only_if_cached),
        ]
    }),
    (names::HTTP_CACHE_BYPASSED, "reason", |counts| {
        Reason::ALL.map(|reason| (reason.as_str(), counts.bypassed_for(reason))).to_vec()
    }),
    (names::HTTP_CACHE_FETCHES, "result", |counts| {
        vec![
            ("stored", counts.stored),
            ("revalidated", counts.revalidated),
            ("unstorable", counts.unstorable),
            ("overtaken", counts.overtaken),
            ("failed", counts.failed),
            ("aborted", counts.aborted),
        ]
    }),
];

/// What is shown of a cache.
type Shows = fn(&Description) -> u64;

const COUNTERS: [(CounterName, Shows); 4] = [
    (names::HTTP_CACHE_WAITS, |cache| cache.counts.waits),
    (names::HTTP_CACHE_REFRESHES, |cache| cache.counts.refreshes),
    (names::HTTP_CACHE_PURGES, |cache| cache.counts.purges),
    (names::HTTP_CACHE_EVICTED, |cache| cache.evicted),
];

const GAUGES: [(GaugeName, Shows); 3] = [
    (names::HTTP_CACHE_ENTRIES, |cache| cache.entries as u64),
    (names::HTTP_CACHE_BYTES, |cache| cache.bytes),
    (names::HTTP_CACHE_BUFFERED, |cache| cache.buffered_bytes),
];

impl Collector for Caches {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let caches: Vec<Description> = (self.0)().iter().map(HttpCache::describe).collect();
        if caches.is_empty() {
            return Ok(());
        }
        for (family, label, words) in BY_WORD {
            let kind = ConstCounter::<u64>::TYPE;
            let mut metrics = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for cache in &caches {
                for (word, value) in words(&cache.counts) {
                    let labels = [("route", cache.name.as_str()), (label, word)];
                    ConstCounter::new(value).encode(metrics.encode_family(&labels)?)?;
                }
            }
        }
        for (family, read) in COUNTERS {
            let kind = ConstCounter::<u64>::TYPE;
            let mut metrics = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for cache in &caches {
                let labels = [("route", cache.name.as_str())];
                ConstCounter::new(read(cache)).encode(metrics.encode_family(&labels)?)?;
            }
        }
        for (family, read) in GAUGES {
            let kind = ConstGauge::<f64>::TYPE;
            let mut metrics = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for cache in &caches {
                let labels = [("route", cache.name.as_str())];
                ConstGauge::new(read(cache) as f64).encode(metrics.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, header};
    use mamparo_context::Clock;
    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::{Begin, HttpCacheConfig, RequestHead, Waited, When};

    #[test]
    fn what_caches_have_done_is_exported_family_by_family() {
        let long = "a route may have a longer name than a cache of values, for it says what the route takes";
        let caches = ["a", long].map(|name| HttpCache::new(name, &HttpCacheConfig::default()).unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, "no-store".parse().unwrap());
        let head = RequestHead {
            method: &Method::GET,
            scheme: "http",
            authority: "x",
            path: "/",
            query: None,
            headers: &headers,
            has_body: false,
        };
        let begun = caches[0].begin(&head, When::of(&Clock::manual().0), Waited::default());
        assert!(matches!(begun, Begin::Bypass(_)));
        let mut registry = Registry::default();
        register(&mut registry, move || caches.to_vec());
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "mamparo_http_cache_requests_total{route=\"a\",result=\"bypass\"} 1".to_owned(),
            "mamparo_http_cache_bypassed_total{route=\"a\",reason=\"no-store\"} 1".to_owned(),
            format!("mamparo_http_cache_bypassed_total{{route=\"{long}\",reason=\"no-store\"}} 0"),
            "mamparo_http_cache_bytes{route=\"a\"} 0".to_owned(),
        ] {
            assert!(text.lines().any(|other| other.starts_with(&line)), "{line}\n{text}");
        }
        assert_eq!(text.matches("# TYPE mamparo_http_cache_requests ").count(), 1, "{text}");
    }
}
