//! What a drive came to: as JSON for programs, as a table for people.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::invariants::Finding;

/// How long something took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Times {
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// Ninety-nine in a hundred took no longer.
    pub p99_ms: f64,
    /// None took longer.
    pub max_ms: f64,
}

/// How orders ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Split {
    /// Confirmed.
    pub confirmed: u64,
    /// Cancelled for want of money.
    pub no_money: u64,
    /// Cancelled for want of stock.
    pub no_stock: u64,
}

/// What a drive came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The seed of the plan.
    pub seed: u64,
    /// Orders that were to be placed.
    pub orders: u64,
    /// Orders that were answered with 202.
    pub accepted: u64,
    /// Orders that were confirmed.
    pub confirmed: u64,
    /// Orders that were cancelled.
    pub cancelled: u64,
    /// Orders of which nobody knows the end, each with the reason.
    pub failed: Vec<String>,
    /// Calls that had to be repeated.
    pub repeated: u64,
    /// From the first order to the last answer, in seconds.
    pub seconds: f64,
    /// Orders that were final, per second.
    pub per_second: f64,
    /// From sending an order to its 202.
    pub accept: Times,
    /// From sending an order to its end.
    pub complete: Times,
    /// How the orders had to end.
    pub expected: Split,
    /// How they ended.
    pub got: Split,
    /// Why orders were cancelled.
    pub reasons: BTreeMap<String, u64>,
    /// What must be true.
    pub invariants: Vec<Finding>,
}

impl Report {
    /// Whether every order ended as it had to, and everything is true that must be.
    pub fn holds(&self) -> bool {
        self.failed.is_empty()
            && self.expected == self.got
            && self.invariants.iter().all(|finding| finding.holds)
    }
}

impl Times {
    /// Of what was measured.
    pub(crate) fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        // The smallest that at least this share of all does not exceed.
        let at = |share: f64| {
            let rank = (share * took.len() as f64).ceil() as usize;
            took.get(rank.saturating_sub(1)).map_or(0.0, |took| took.as_secs_f64() * 1_000.0)
        };
        Self { p50_ms: at(0.50), p99_ms: at(0.99), max_ms: at(1.0) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = |holds: bool| if holds { "yes" } else { "NO" };
        writeln!(f, "{:<28}{:>10}", "orders", self.orders)?;
        writeln!(f, "{:<28}{:>10}", "accepted", self.accepted)?;
        writeln!(f, "{:<28}{:>10}", "confirmed", self.confirmed)?;
        writeln!(f, "{:<28}{:>10}", "cancelled", self.cancelled)?;
        writeln!(f, "{:<28}{:>10}", "calls repeated", self.repeated)?;
        writeln!(f, "{:<28}{:>10.1}", "orders per second", self.per_second)?;
        writeln!(f)?;
        writeln!(f, "{:<28}{:>10}{:>10}{:>10}", "milliseconds", "p50", "p99", "max")?;
        for (what, times) in [("accept", self.accept), ("complete", self.complete)] {
            writeln!(f, "{what:<28}{:>10.1}{:>10.1}{:>10.1}", times.p50_ms, times.p99_ms, times.max_ms)?;
        }
        writeln!(f)?;
        writeln!(f, "{:<28}{:>10}{:>10}", "split", "expected", "got")?;
        for (what, expected, got) in [
            ("confirmed", self.expected.confirmed, self.got.confirmed),
            ("cancelled: no money", self.expected.no_money, self.got.no_money),
            ("cancelled: no stock", self.expected.no_stock, self.got.no_stock),
        ] {
            writeln!(f, "{what:<28}{expected:>10}{got:>10}")?;
        }
        writeln!(f)?;
        writeln!(f, "{:<28}{:>10}", "invariant", "holds")?;
        for finding in &self.invariants {
            writeln!(f, "{:<28}{:>10}   {}", finding.what, mark(finding.holds), finding.detail)?;
        }
        for failed in self.failed.iter().take(10) {
            writeln!(f, "failed: {failed}")?;
        }
        write!(f, "\nseed {}: everything holds: {}", self.seed, mark(self.holds()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact() {
        let times = Times::of((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(times, Times { p50_ms: 100.0, p99_ms: 198.0, max_ms: 200.0 });
        assert_eq!(Times::of(Vec::new()), Times::default());
        assert_eq!(Times::of(vec![Duration::from_millis(3)]).p99_ms, 3.0);
    }
}
