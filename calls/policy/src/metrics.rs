//! What stacks export: read when somebody asks, so that counting costs a call no more than an addition.

use std::fmt;
use std::sync::Arc;

use mamparo_context::Criticality;
use mamparo_telemetry::{CounterName, GaugeName, Registry, metrics as names};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};

use crate::Counted;
use crate::breaker::BreakerState;
use crate::stack::Stack;

/// Which family a reading belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Family {
    Counter(CounterName),
    Gauge(GaugeName),
}

impl Family {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter(counter) => counter.name,
            Self::Gauge(gauge) => gauge.name,
        }
    }
}

/// One value, with the labels that it has beside its target.
pub(crate) struct Reading {
    family: Family,
    labels: Vec<(&'static str, String)>,
    value: f64,
}

/// Collects the readings of one stack.
pub(crate) struct Readings(Vec<Reading>);

impl Readings {
    pub(crate) fn counter(&mut self, name: CounterName, labels: &[(&'static str, &str)], value: u64) {
        self.push(Family::Counter(name), labels, value as f64);
    }

    pub(crate) fn gauge(&mut self, name: GaugeName, labels: &[(&'static str, &str)], value: f64) {
        self.push(Family::Gauge(name), labels, value);
    }

    fn push(&mut self, family: Family, labels: &[(&'static str, &str)], value: f64) {
        let labels = labels.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        self.0.push(Reading { family, labels, value });
    }
}

/// Exports the stacks that `stacks` gives, each time those that there are then, below names of the table
/// [`mamparo_telemetry::metrics`]. Two stacks of the same name would be the same series: give each a name of its own.
pub fn register<F>(registry: &mut Registry, stacks: F)
where
    F: Fn() -> Vec<Arc<Stack>> + Send + Sync + 'static,
{
    registry.register_collector(Box::new(Stacks(Box::new(stacks))));
}

/// What the keyed rate limits of a target have done, by what keys are.
pub type KeyedCounted = (String, String, Counted);

/// Exports the keyed rate limits that `limits` gives: the target, what its keys are, and what was done. No key is a label:
/// there may be any number of them.
pub fn register_keyed<F>(registry: &mut Registry, limits: F)
where
    F: Fn() -> Vec<KeyedCounted> + Send + Sync + 'static,
{
    registry.register_collector(Box::new(KeyedLimits(Box::new(limits))));
}

struct KeyedLimits(Box<dyn Fn() -> Vec<KeyedCounted> + Send + Sync>);

impl fmt::Debug for KeyedLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedLimits")
    }
}

impl Collector for KeyedLimits {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut readings = Readings(Vec::new());
        for (target, by, counted) in (self.0)() {
            for (verdict, count) in counted.named() {
                let labels = [("target", &*target), ("by", &*by), ("verdict", verdict)];
                readings.counter(names::KEYED_VERDICTS, &labels, count);
            }
        }
        encode_family(&mut encoder, &readings.0)
    }
}

struct Stacks(Box<dyn Fn() -> Vec<Arc<Stack>> + Send + Sync>);

impl fmt::Debug for Stacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stacks")
    }
}

impl Collector for Stacks {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut all = Vec::new();
        for stack in (self.0)() {
            let mut readings = Readings(Vec::new());
            stack.read(&mut readings);
            all.extend(readings.0.into_iter().map(|mut reading| {
                reading.labels.insert(0, ("target", stack.name().to_owned()));
                reading
            }));
        }
        // The series of one family stand together.
        all.sort_by_key(|reading| reading.family.name());
        for family in all.chunk_by(|a, b| a.family.name() == b.family.name()) {
            encode_family(&mut encoder, family)?;
        }
        Ok(())
    }
}

fn encode_family(encoder: &mut DescriptorEncoder<'_>, readings: &[Reading]) -> fmt::Result {
    let Some(first) = readings.first() else { return Ok(()) };
    let (help, kind) = match first.family {
        Family::Counter(counter) => (counter.help, ConstCounter::<f64>::TYPE),
        Family::Gauge(gauge) => (gauge.help, ConstGauge::<f64>::TYPE),
    };
    let mut metrics = encoder.encode_descriptor(first.family.name(), help, None, kind)?;
    for reading in readings {
        let series = metrics.encode_family(&reading.labels)?;
        match kind {
            MetricType::Counter => ConstCounter::new(reading.value).encode(series)?,
            _ => ConstGauge::new(reading.value).encode(series)?,
        }
    }
    Ok(())
}

impl Stack {
    /// All that it shows.
    fn read(&self, readings: &mut Readings) {
        let counted = self.counted();
        readings.counter(names::POLICY_CALLS, &[], counted.calls);
        readings.counter(names::POLICY_TIMEOUTS, &[("of", "attempt")], counted.attempts_timed_out);
        readings.counter(names::POLICY_TIMEOUTS, &[("of", "call")], counted.calls_timed_out);
        if let Some(retry) = self.retry() {
            readings.counter(names::POLICY_REPEATS, &[("kind", "retry")], counted.repeats);
            readings.counter(names::POLICY_REPEATS, &[("kind", "shadow")], counted.shadow_repeats);
            readings.gauge(names::RETRY_BUDGET, &[], retry.budget().tokens() as f64);
        }
        if self.retry().is_some() || self.hedge().is_some() {
            for (reason, count) in counted.given_up {
                readings.counter(names::RETRY_GIVEN_UP, &[("reason", reason)], count);
            }
        }
        if let Some(hedge) = self.hedge() {
            readings.counter(names::POLICY_REPEATS, &[("kind", "hedge")], counted.repeats);
            readings.counter(names::POLICY_REPEATS, &[("kind", "shadow")], counted.shadow_repeats);
            readings.counter(names::HEDGE_WON, &[], counted.hedges_won);
            readings.gauge(names::HEDGE_DELAY, &[], hedge.delay().as_secs_f64());
            readings.gauge(names::RETRY_BUDGET, &[], hedge.budget().tokens() as f64);
        }
        for (policy, counted) in self.counted_by_policy() {
            for (verdict, count) in counted.named() {
                let labels = [("policy", policy), ("verdict", verdict)];
                readings.counter(names::POLICY_VERDICTS, &labels, count);
            }
        }
        if let Some(breaker) = self.breaker() {
            for state in BreakerState::ALL {
                let holds = if breaker.state() == state { 1.0 } else { 0.0 };
                readings.gauge(names::BREAKER_STATE, &[("state", state.as_str())], holds);
            }
        }
        if let Some(bulkhead) = self.bulkhead() {
            readings.gauge(names::BULKHEAD_UNDER_WAY, &[], bulkhead.under_way().into());
            readings.gauge(names::BULKHEAD_WAITING, &[], bulkhead.waiting().into());
        }
        if let Some(limit) = self.adaptive() {
            let state = limit.state();
            readings.gauge(names::ADAPTIVE_LIMIT, &[], state.limit as f64);
            readings.gauge(names::ADAPTIVE_UNDER_WAY, &[], state.in_flight as f64);
        }
        if let Some(limit) = self.rate_limit() {
            readings.gauge(names::RATE_LIMIT_WAITING, &[], limit.waiting() as f64);
        }
        if let Some(shedder) = self.shedder() {
            let shows = shedder.shows();
            readings.gauge(names::SHED_ACCEPTED, &[], shows.accepted);
            readings.gauge(names::SHED_PRESSURE, &[], shows.pressure);
        }
        if let Some(throttle) = self.throttle() {
            readings.gauge(names::THROTTLE_HELD_BACK, &[], throttle.share(Criticality::default()));
        }
        if let Some(faults) = self.faults() {
            readings.counter(names::FAULTS_INJECTED, &[("mode", "enforce")], faults.injected());
            readings.counter(names::FAULTS_INJECTED, &[("mode", "shadow")], faults.shadow_injected());
        }
    }
}

#[cfg(test)]
#[cfg(not(feature = "shuttle"))]
mod tests {
    use mamparo_context::{Clock, Context};
    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::breaker::BreakerConfig;
    use crate::bulkhead::BulkheadConfig;
    use crate::retry::RetryConfig;

    #[tokio::test]
    async fn what_a_stack_has_done_is_exported_family_by_family() {
        let stack = |name| {
            let stack = Stack::client(name).clock(Clock::system()).retry(RetryConfig::default());
            Arc::new(stack.breaker(BreakerConfig::default()).bulkhead(BulkheadConfig::of(2)).build().unwrap())
        };
        let (cards, stock) = (stack("cards"), stack("stock"));
        let answer = |_| std::future::ready(Ok::<_, std::convert::Infallible>(()));
        cards.call(&Context::root(), answer).await.unwrap();
        let mut registry = Registry::default();
        register(&mut registry, move || vec![Arc::clone(&cards), Arc::clone(&stock)]);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "mamparo_policy_calls_total{target=\"cards\"} 1",
            "mamparo_policy_calls_total{target=\"stock\"} 0",
            "mamparo_policy_verdicts_total{target=\"cards\",policy=\"bulkhead\",verdict=\"admitted\"} 1",
            "mamparo_breaker_state{target=\"cards\",state=\"closed\"} 1",
            "mamparo_breaker_state{target=\"cards\",state=\"open\"} 0",
            "mamparo_retry_budget_tokens{target=\"stock\"} 500",
        ] {
            let found = text.lines().any(|other| other.starts_with(line));
            assert!(found, "{line}\n{text}");
        }
        let families = text.matches("# TYPE mamparo_policy_verdicts ").count();
        assert_eq!(families, 1, "{text}");
    }
}
