//! What a replay has found out, to be printed, drawn or read by a program.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::record::{LayerRecord, Record, RowRecord};
use crate::stack::Stack;

/// What a replay has found out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What the randomness of the stacks was drawn from.
    pub seed: u64,
    /// From the begin of the trace to its last call, in milliseconds.
    pub span_ms: f64,
    /// When the last call had ended, in milliseconds.
    pub ended_ms: f64,
    /// Attempts that reached the dependency, for each call.
    pub amplification: f64,
    /// All calls.
    pub total: Totals,
    /// Each service that calls another, the first one first.
    pub layers: Vec<LayerReport>,
    /// How much time a row is about, in milliseconds.
    pub bucket_ms: f64,
    /// The rows, in the order of time.
    pub rows: Vec<Row>,
}

/// What happened in a while. Every call is exactly one of `ok`, `refused`, `failed` and `timed_out`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Calls that came.
    pub calls: u64,
    /// Attempts that all policies of the first stack let through.
    pub admitted: u64,
    /// Those of them that were made because another one had failed.
    pub retried: u64,
    /// Those of them that were made because another one took long.
    pub hedged: u64,
    /// Calls that were answered.
    pub ok: u64,
    /// Calls that ended with the word of a policy of the first stack.
    pub refused: u64,
    /// Calls that ended with the failure of what was called.
    pub failed: u64,
    /// Calls that ended because their time was over, or that of their last attempt.
    pub timed_out: u64,
    /// Attempts that reached the dependency.
    pub attempts: u64,
    /// Half of the callers had their answer, or knew that they get none, within this time in milliseconds.
    pub p50_ms: Option<f64>,
    /// The same for ninety-nine of a hundred callers.
    pub p99_ms: Option<f64>,
    /// Refused calls by policy and reason.
    pub refused_by: BTreeMap<String, u64>,
    /// Failed calls by what the dependency, or a stack below, came to.
    pub failed_by: BTreeMap<String, u64>,
}

/// What happened in the time of one row: calls and how they ended belong to the row in which the call came, attempts to
/// the row in which they were made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// When it begins, in milliseconds.
    pub from_ms: f64,
    /// What happened.
    #[serde(flatten)]
    pub totals: Totals,
    /// What the breaker of the last stack was, in the order in which it was first seen so; empty without a breaker.
    pub breaker: Vec<&'static str>,
}

/// One service that calls another through a stack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerReport {
    /// What it calls.
    pub target: String,
    /// Calls that came.
    pub calls: u64,
    /// Attempts that were made.
    pub attempts: u64,
    /// Attempts for each call.
    pub amplification: f64,
    /// Attempts beyond the first that would have been made, had retry or hedge been enforced.
    pub shadow_repeats: u64,
    /// Calls that were answered by a hedge.
    pub hedges_won: u64,
    /// Attempts whose own time was over.
    pub attempts_timed_out: u64,
    /// Calls that were not made again although that might have helped, by reason.
    pub given_up: BTreeMap<&'static str, u64>,
    /// What each policy did with the attempts that came to it, in their order.
    pub policies: Vec<PolicyReport>,
    /// What its breaker was from when on, at most the first 10000 changes.
    pub breaker: Vec<BreakerChange>,
    /// How often its breaker changed.
    pub breaker_changes: u64,
}

/// What a policy did with attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyReport {
    /// Which one.
    pub policy: &'static str,
    /// Let through, at once or after a wait.
    pub admitted: u64,
    /// Told to wait.
    pub waited: u64,
    /// Refused.
    pub refused: u64,
    /// Would have had to wait, had it been enforced.
    pub shadow_waited: u64,
    /// Would have been refused, had it been enforced.
    pub shadow_refused: u64,
}

/// A change of a breaker.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BreakerChange {
    /// When, in milliseconds.
    pub at_ms: f64,
    /// What it was then.
    pub state: &'static str,
}

impl Report {
    pub(super) fn new(record: Record, stacks: &[Stack], seed: u64, span: Duration, ended: Duration) -> Self {
        let bucket = record.bucket();
        let (rows, layers) = record.into_parts();
        let total = Totals::new(rows.iter());
        let row = |(index, row): (usize, &RowRecord)| Row {
            from_ms: millis(bucket) * index as f64,
            totals: Totals::new(std::iter::once(row)),
            breaker: row.breaker.iter().map(|state| state.as_str()).collect(),
        };
        Self {
            seed,
            span_ms: millis(span),
            ended_ms: millis(ended),
            amplification: ratio(total.attempts, total.calls),
            total,
            layers: layers
                .iter()
                .zip(stacks)
                .map(|(record, stack)| LayerReport::new(record, stack))
                .collect(),
            bucket_ms: millis(bucket),
            rows: rows.iter().enumerate().map(row).collect(),
        }
    }
}

impl Totals {
    fn new<'r>(rows: impl Iterator<Item = &'r RowRecord>) -> Self {
        let mut totals = Self::default();
        let mut took = Vec::new();
        for row in rows {
            totals.calls += row.calls;
            totals.admitted += row.admitted;
            totals.retried += row.retried;
            totals.hedged += row.hedged;
            totals.ok += row.ok;
            totals.timed_out += row.timed_out;
            totals.attempts += row.arrivals;
            for ((policy, reason), count) in &row.refused {
                totals.refused += count;
                *totals.refused_by.entry(format!("{policy}/{reason}")).or_default() += count;
            }
            for (word, count) in &row.failed {
                totals.failed += count;
                *totals.failed_by.entry((*word).to_owned()).or_default() += count;
            }
            took.extend_from_slice(&row.took);
        }
        took.sort_unstable();
        totals.p50_ms = percentile(&took, 50);
        totals.p99_ms = percentile(&took, 99);
        totals
    }
}

impl LayerReport {
    fn new(record: &LayerRecord, stack: &Stack) -> Self {
        let counted = stack.counted();
        let policies = stack.counted_by_policy().into_iter().map(|(policy, counted)| PolicyReport {
            policy,
            admitted: counted.admitted,
            waited: counted.waited,
            refused: counted.refused,
            shadow_waited: counted.shadow_waited,
            shadow_refused: counted.shadow_refused,
        });
        let change = |(at, state): &(Duration, crate::breaker::BreakerState)| BreakerChange {
            at_ms: millis(*at),
            state: state.as_str(),
        };
        Self {
            target: stack.name().to_owned(),
            calls: counted.calls,
            attempts: record.attempts,
            amplification: ratio(record.attempts, counted.calls),
            shadow_repeats: counted.shadow_repeats,
            hedges_won: counted.hedges_won,
            attempts_timed_out: counted.attempts_timed_out,
            given_up: counted.given_up.into_iter().filter(|(_, count)| *count > 0).collect(),
            policies: policies.collect(),
            breaker: record.changes.iter().map(change).collect(),
            // The first is not a change: it is what it was to begin with.
            breaker_changes: record.changed.saturating_sub(1),
        }
    }
}

/// The least of the sorted times that `percent` of them do not exceed, in milliseconds.
fn percentile(sorted: &[u64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    Some(*sorted.get(rank.checked_sub(1)?)? as f64 / 1_000.0)
}

fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1_000.0
}

/// To three digits: more would be noise.
fn ratio(some: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { (some as f64 / of as f64 * 1_000.0).round() / 1_000.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let sorted: Vec<u64> = (1..=200).map(|millis| millis * 1_000).collect();
        assert_eq!((percentile(&sorted, 50), percentile(&sorted, 99)), (Some(100.0), Some(198.0)));
        assert_eq!((percentile(&sorted[..1], 99), percentile(&[], 50)), (Some(1.0), None));
    }
}
