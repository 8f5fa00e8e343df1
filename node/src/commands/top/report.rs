//! What happened between two moments: rates, and latencies from the difference of two histograms.

use std::time::Duration;

use serde_json::{Value, json};

use super::sample::{OfRoute, OfService, Sample};

/// What happened between two moments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Report {
    pub(super) took: Duration,
    /// The busiest one first.
    pub(super) routes: Vec<RouteRow>,
    pub(super) services: Vec<ServiceRow>,
    /// Breakers that do not let everything through, with their state.
    pub(super) breakers: Vec<(String, String)>,
    pub(super) in_flight: f64,
    pub(super) connections: f64,
    /// For each second.
    pub(super) connections_refused: f64,
    pub(super) generation: f64,
    pub(super) refused: f64,
    pub(super) resident: f64,
}

/// One route; counts are for each second.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RouteRow {
    pub(super) name: String,
    pub(super) rate: f64,
    pub(super) client_errors: f64,
    /// Answers of the class 5xx, and answers that did not reach the client whole.
    pub(super) errors: f64,
    /// In seconds; `None` where nothing was answered.
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
}

/// One service; counts are for each second.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ServiceRow {
    pub(super) name: String,
    /// Requests that went there.
    pub(super) rate: f64,
    pub(super) connects: f64,
    pub(super) connect_failures: f64,
    pub(super) retries: f64,
}

impl Report {
    pub(super) fn between(before: &Sample, after: &Sample, took: Duration) -> Self {
        let seconds = took.as_secs_f64().max(f64::MIN_POSITIVE);
        let (no_route, no_service) = (OfRoute::default(), OfService::default());
        let routes = after.routes.iter();
        let mut routes: Vec<RouteRow> = routes
            .map(|(name, now)| {
                RouteRow::between(name, before.routes.get(name).unwrap_or(&no_route), now, seconds)
            })
            .collect();
        routes.sort_by(|a, b| b.rate.total_cmp(&a.rate).then_with(|| a.name.cmp(&b.name)));
        let services = after.services.iter().map(|(name, now)| {
            let then = before.services.get(name).unwrap_or(&no_service);
            let rate = |of: fn(&OfService) -> f64| grown(of(then), of(now)) / seconds;
            ServiceRow {
                name: name.clone(),
                rate: rate(|one| one.connects) + rate(|one| one.reuses),
                connects: rate(|one| one.connects),
                connect_failures: rate(|one| one.connect_failures),
                retries: rate(|one| one.retries),
            }
        });
        let mut services: Vec<ServiceRow> = services.collect();
        services.sort_by(|a, b| b.rate.total_cmp(&a.rate).then_with(|| a.name.cmp(&b.name)));
        Self {
            took,
            routes,
            services,
            breakers: after.breakers.iter().cloned().collect(),
            in_flight: after.in_flight,
            connections: after.connections,
            connections_refused: grown(before.connections_refused, after.connections_refused) / seconds,
            generation: after.generation,
            refused: after.refused,
            resident: after.resident,
        }
    }

    /// Requests of all routes for each second, and errors among them.
    pub(super) fn rates(&self) -> (f64, f64) {
        self.routes.iter().fold((0.0, 0.0), |(rate, errors), row| (rate + row.rate, errors + row.errors))
    }

    pub(super) fn to_json(&self) -> Value {
        let (rate, errors) = self.rates();
        let millis = |seconds: Option<f64>| seconds.map(|seconds| seconds * 1e3);
        let routes = self.routes.iter().map(|row| {
            json!({
                "route": row.name,
                "requests_per_second": row.rate,
                "client_errors_per_second": row.client_errors,
                "errors_per_second": row.errors,
                "p50_ms": millis(row.p50),
                "p99_ms": millis(row.p99),
            })
        });
        let services = self.services.iter().map(|row| {
            json!({
                "service": row.name,
                "requests_per_second": row.rate,
                "connects_per_second": row.connects,
                "connect_failures_per_second": row.connect_failures,
                "retries_per_second": row.retries,
            })
        });
        let breakers =
            self.breakers.iter().map(|(target, state)| json!({ "target": target, "state": state }));
        json!({
            "seconds": self.took.as_secs_f64(),
            "requests_per_second": rate,
            "errors_per_second": errors,
            "in_flight": self.in_flight,
            "connections": self.connections,
            "connections_refused_per_second": self.connections_refused,
            "config": { "generation": self.generation, "refused_parts": self.refused },
            "resident_bytes": self.resident,
            "routes": routes.collect::<Vec<_>>(),
            "upstreams": services.collect::<Vec<_>>(),
            "breakers_open": breakers.collect::<Vec<_>>(),
        })
    }
}

impl RouteRow {
    fn between(name: &str, then: &OfRoute, now: &OfRoute, seconds: f64) -> Self {
        let rate = |status: &str| {
            let of = |route: &OfRoute| route.requests.get(status).copied().unwrap_or(0.0);
            grown(of(then), of(now)) / seconds
        };
        let buckets: Vec<(f64, f64)> = now
            .buckets
            .iter()
            .enumerate()
            .map(|(index, (bound, count))| {
                (*bound, grown(then.buckets.get(index).map_or(0.0, |(_, then)| *then), *count))
            })
            .collect();
        Self {
            name: name.to_owned(),
            rate: now.requests.keys().map(|status| rate(status)).sum(),
            client_errors: rate("4xx"),
            errors: rate("5xx") + rate("aborted"),
            p50: quantile(&buckets, 0.5),
            p99: quantile(&buckets, 0.99),
        }
    }
}

/// How much a counter has grown. One that fell belongs to a process that was started since.
fn grown(then: f64, now: f64) -> f64 {
    if now < then { now } else { now - then }
}

/// The value below which the share `q` lies, in the middle of its bucket as far as it is into it; the last bound for
/// what lies beyond.
fn quantile(buckets: &[(f64, f64)], q: f64) -> Option<f64> {
    let total = buckets.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
    let rank = q * total;
    let (mut low, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
        if *count >= rank {
            let share = if *count > below { (rank - below) / (count - below) } else { 1.0 };
            return Some(if bound.is_finite() { low + (bound - low) * share } else { low });
        }
        (low, below) = (*bound, *count);
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(ok: f64, failed: f64, buckets: &[(f64, f64)]) -> Sample {
        let mut sample = Sample::default();
        let requests =
            [("2xx", ok), ("5xx", failed)].map(|(status, count)| (status.to_owned(), count)).into();
        sample.routes.insert("/a".into(), OfRoute { requests, buckets: buckets.to_vec() });
        sample.routes.insert("/idle".into(), OfRoute::default());
        sample.services.insert("s".into(), OfService { connects: 2.0, reuses: ok, ..OfService::default() });
        sample
    }

    #[test]
    fn rates_and_latencies_are_those_of_the_time_between() {
        let before = sample(100.0, 0.0, &[(0.01, 50.0), (0.1, 100.0), (f64::INFINITY, 100.0)]);
        let after = sample(300.0, 20.0, &[(0.01, 150.0), (0.1, 318.0), (f64::INFINITY, 320.0)]);
        let report = Report::between(&before, &after, Duration::from_secs(2));
        let row = &report.routes[0];
        assert_eq!((row.name.as_str(), row.rate, row.errors), ("/a", 110.0, 10.0));
        // 220 requests: the 110th is the 10th of the 118 between 10 and 100 ms.
        let p50 = 0.01 + 0.09 * 10.0 / 118.0;
        assert!((row.p50.unwrap() - p50).abs() < 1e-12, "{row:?}");
        assert!(row.p99.unwrap() > 0.09 && row.p99.unwrap() <= 0.1, "{row:?}");
        assert_eq!((report.routes[1].rate, report.routes[1].p50), (0.0, None));
        assert_eq!(report.services[0].rate, 100.0);
        assert_eq!(report.rates(), (110.0, 10.0));
    }

    #[test]
    fn a_process_that_was_started_since_begins_at_nothing() {
        let before = sample(1000.0, 0.0, &[(0.01, 1000.0), (f64::INFINITY, 1000.0)]);
        let after = sample(10.0, 0.0, &[(0.01, 10.0), (f64::INFINITY, 10.0)]);
        let report = Report::between(&before, &after, Duration::from_secs(1));
        assert_eq!((report.routes[0].rate, report.routes[0].p50), (10.0, Some(0.005)));
    }

    #[test]
    fn quantiles_stay_within_their_bucket() {
        let buckets = [(1.0, 0.0), (2.0, 4.0), (f64::INFINITY, 5.0)];
        for (q, value) in [(0.0, 1.0), (0.4, 1.5), (0.8, 2.0), (0.99, 2.0)] {
            let got = quantile(&buckets, q).unwrap();
            assert!((got - value).abs() < 1e-9, "{q}: {got}");
        }
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[(1.0, 0.0)], 0.5), None);
    }
}
