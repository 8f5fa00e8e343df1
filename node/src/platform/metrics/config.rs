//! How the configuration stands, as metrics.

use mamparo_telemetry::{Counter, EncodeLabelSet, Family, Gauge, Registry, metrics as names};

use crate::platform::reload::{Standing, Verdict};
use crate::process_metrics::number;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    outcome: &'static str,
}

/// How the configuration stands.
pub(crate) struct ConfigMetrics {
    generation: Gauge,
    refused: Gauge,
    needs_restart: Gauge,
    last_reload: Gauge,
    successful: Gauge,
    reloads: Family<OfOutcome, Counter>,
}

impl ConfigMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        Self {
            generation: names::CONFIG_GENERATION.register(registry),
            refused: names::CONFIG_REFUSED.register(registry),
            needs_restart: names::CONFIG_NEEDS_RESTART.register(registry),
            last_reload: names::CONFIG_LAST_RELOAD.register(registry),
            successful: names::CONFIG_LAST_RELOAD_SUCCESSFUL.register(registry),
            reloads: names::CONFIG_RELOADS.register_family(registry),
        }
    }

    pub(crate) fn show(&self, standing: &Standing) {
        self.generation.set(number(standing.generation));
        self.refused.set(number(standing.parts as u64));
        self.needs_restart.set(number(standing.needs_restart.len() as u64));
        self.last_reload.set(standing.at.as_millis().div_euclid(1_000));
        let whole = matches!(standing.verdict, Verdict::Started | Verdict::Whole);
        self.successful.set(i64::from(whole));
    }

    pub(crate) fn count(&self, verdict: Verdict) {
        self.reloads.get_or_create(&OfOutcome { outcome: verdict.as_str() }).inc();
    }
}
