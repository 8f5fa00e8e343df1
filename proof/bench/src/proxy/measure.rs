//! Rounds in which the proxies take turns, and what of them is told: medians, and the ratios of the same round.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::load::Answered;
use super::peers::Up;
use super::scenario::{Quantity, Scenario};
use crate::report::{Figure, Report};
use crate::run::quantile;

/// What one turn of one proxy found.
pub(crate) struct Sample {
    cpu_micros: f64,
    per_second: f64,
    latency: Histogram<u64>,
    failed: u64,
    /// Bytes of log for each request.
    logged: f64,
}

/// What all turns of one proxy found.
pub(crate) struct Turns<'a> {
    pub(crate) up: &'a Up,
    pub(crate) title: &'a str,
    pub(crate) samples: Vec<Sample>,
}

/// A turn: the processor's time around what `work` does.
pub(crate) fn sample(up: &Up, work: impl FnOnce() -> Answered) -> Sample {
    let before = up.cpu();
    let answered = work();
    let cpu = up.cpu().saturating_sub(before);
    let logged = up.logged() as f64 / answered.done as f64;
    up.empty_logs();
    Sample {
        cpu_micros: cpu.as_secs_f64() * 1e6 / answered.done as f64,
        per_second: answered.done as f64 / answered.took.max(Duration::from_nanos(1)).as_secs_f64(),
        latency: answered.latency,
        failed: answered.failed,
        logged,
    }
}

/// Every proxy once in every round, forwards and backwards in turn, so that none has the better place.
pub(crate) fn rounds<'a>(
    rounds: usize,
    ups: &'a [(Up, String)],
    take: impl Fn(&Up) -> Sample,
) -> Vec<Turns<'a>> {
    let turns = ups.iter().map(|(up, title)| Turns { up, title, samples: Vec::new() });
    let mut turns: Vec<Turns<'a>> = turns.collect();
    for round in 0..rounds {
        let mut order: Vec<&mut Turns<'a>> = turns.iter_mut().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for turn in order {
            turn.samples.push(take(turn.up));
        }
    }
    turns
}

impl Sample {
    fn quantity(&self, quantity: Quantity) -> f64 {
        let at = |share: f64| self.latency.value_at_quantile(share) as f64;
        match quantity {
            Quantity::Cpu | Quantity::CpuAtPace => self.cpu_micros,
            Quantity::PerSecond => self.per_second,
            Quantity::P50 => at(0.5),
            Quantity::P99 => at(0.99),
            Quantity::P999 => at(0.999),
        }
    }
}

impl Turns<'_> {
    pub(crate) fn median(&self, quantity: Quantity) -> f64 {
        quantile(self.values(quantity), 0.5)
    }

    fn values(&self, quantity: Quantity) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.quantity(quantity)).collect()
    }

    fn failed(&self) -> u64 {
        self.samples.iter().map(|sample| sample.failed).sum()
    }
}

/// Tells a quantity of ours, the first of `turns`, beside that of every peer.
pub(crate) fn push(
    report: &mut Report,
    scenario: Scenario,
    quantity: Quantity,
    when: &str,
    turns: &[Turns<'_>],
) {
    let what = format!("{}: {}{when}", scenario.name(), quantity.name());
    let figure =
        |what: &str, turn: &Turns<'_>| Figure::new(what, turn.median(quantity), quantity.unit()).socket();
    let (own, peers) = match turns.split_first() {
        Some((own, peers)) if own.up.is_ours() && !peers.is_empty() => (own, peers),
        // There is nothing to compare with.
        _ => {
            for turn in turns {
                report.push(figure(&format!("{what}, {}", turn.title), turn));
            }
            return;
        }
    };
    for peer in peers {
        let pairs = own.values(quantity).into_iter().zip(peer.values(quantity));
        let ratios: Vec<f64> = pairs.map(|(own, peer)| own / peer).collect();
        let ratio = quantile(ratios.clone(), 0.5);
        let interval = (quantile(ratios.clone(), 0.1), quantile(ratios, 0.9));
        let figure = figure(&what, own).beside(peer.title, peer.median(quantity), ratio).within(interval);
        report.push(match scenario.target(quantity, peer.up.name()) {
            Some(target) => figure.target(target),
            None => figure,
        });
    }
}

/// Tells what each proxy holds in memory now, how much it logs, and how many requests it failed.
pub(crate) fn push_rest(report: &mut Report, scenario: Scenario, turns: &[Turns<'_>]) {
    for turn in turns {
        let what = format!("{}: resident after it, {}", scenario.name(), turn.title);
        report.push(Figure::new(&what, turn.up.resident_mb(), "MB").socket());
        let logged = quantile(turn.samples.iter().map(|sample| sample.logged).collect(), 0.5);
        let what = format!("{}: log of a request, {}", scenario.name(), turn.title);
        report.push(Figure::new(&what, logged, "bytes").socket());
        if turn.failed() > 0 {
            let what = format!("{}: failed requests, {}", scenario.name(), turn.title);
            report.push(Figure::new(&what, turn.failed() as f64, "").socket());
        }
    }
}
