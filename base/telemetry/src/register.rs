//! A name from the table becomes a handle in a registry.

use std::fmt::Debug;
use std::hash::Hash;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Unit;

use crate::{Counter, Gauge, Histogram, Registry};

/// What only grows. It is exported as its name with `_total` behind.
#[derive(Clone, Copy, Debug)]
pub struct CounterName {
    /// Its name.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
}

/// What goes up and down. It is exported under its name.
#[derive(Clone, Copy, Debug)]
pub struct GaugeName {
    /// Its name, the unit included.
    pub name: &'static str,
    /// What it shows.
    pub help: &'static str,
}

/// What is distributed. It is exported as its name with the unit behind.
#[derive(Clone, Copy, Debug)]
pub struct HistogramName {
    /// Its name, without the unit.
    pub name: &'static str,
    /// What it measures.
    pub help: &'static str,
    /// `seconds` or `bytes`; empty for a plain number.
    pub unit: &'static str,
    /// Upper bounds of its buckets.
    pub buckets: &'static [f64],
}

impl CounterName {
    /// A counter of this name in `registry`. Once for each registry: a second one is another series of the same
    /// name.
    pub fn register(&self, registry: &mut Registry) -> Counter {
        let counter = Counter::default();
        registry.register(self.name, self.help, counter.clone());
        counter
    }

    /// Counters of this name in `registry`, one for each set of labels, which are few as with
    /// [`GaugeName::register_family`].
    pub fn register_family<L>(&self, registry: &mut Registry) -> Family<L, Counter>
    where
        L: Clone + Debug + Eq + Hash + EncodeLabelSet + Send + Sync + 'static,
    {
        let family = Family::default();
        registry.register(self.name, self.help, family.clone());
        family
    }
}

impl GaugeName {
    /// A gauge of this name in `registry`, once for each registry.
    pub fn register(&self, registry: &mut Registry) -> Gauge {
        let gauge = Gauge::default();
        registry.register(self.name, self.help, gauge.clone());
        gauge
    }

    /// Gauges of this name in `registry`, one for each set of labels. Labels come from a configuration or are
    /// few words, never from a request: each set is a series that stays.
    pub fn register_family<L>(&self, registry: &mut Registry) -> Family<L, Gauge>
    where
        L: Clone + Debug + Eq + Hash + EncodeLabelSet + Send + Sync + 'static,
    {
        let family = Family::default();
        registry.register(self.name, self.help, family.clone());
        family
    }
}

impl HistogramName {
    /// A histogram of this name in `registry`, once for each registry.
    pub fn register(&self, registry: &mut Registry) -> Histogram {
        let histogram = Histogram::new(self.buckets.iter().copied());
        match self.unit {
            "" => registry.register(self.name, self.help, histogram.clone()),
            unit => {
                registry.register_with_unit(
                    self.name,
                    self.help,
                    Unit::Other(unit.to_owned()),
                    histogram.clone(),
                );
            }
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::buckets::{COUNT, SECONDS};

    #[test]
    fn a_histogram_is_exported_with_its_unit_if_it_has_one() {
        let mut registry = Registry::default();
        let took = HistogramName { name: "took", help: "Time", unit: "seconds", buckets: &SECONDS };
        let group = HistogramName { name: "group", help: "How many", unit: "", buckets: &COUNT };
        took.register(&mut registry).observe(0.003);
        group.register(&mut registry).observe(3.0);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert!(text.contains("took_seconds_bucket{le=\"0.005\"} 1"), "{text}");
        assert!(text.contains("group_bucket{le=\"4.0\"} 1"), "{text}");
    }
}
