//! What is read in which order.

use mamparo_context::Random;

use super::contenders::Contender;

const KEYS: u64 = 100_000;
const READS: usize = 1_000_000;
/// Reads between two scans, and how many keys that nobody reads again each of them reads.
const BETWEEN_SCANS: usize = 20_000;
const SCAN: u64 = 10_000;

/// A trace, and how large the caches are that read it.
pub(super) struct Trace {
    pub(super) name: &'static str,
    pub(super) keys: Vec<u64>,
    pub(super) capacities: &'static [u64],
}

/// Every trace.
pub(super) fn all() -> [Trace; 2] {
    [
        Trace { name: "zipf(1.0)", keys: zipf(KEYS, 1.0, READS, 7), capacities: &[1_000, 5_000, 10_000] },
        Trace { name: "zipf and scans", keys: with_scans(), capacities: &[1_000, 5_000, 10_000] },
    ]
}

/// `count` keys of `0..keys`, of which the nth is read `1 / n^exponent` as often as the first; which one is the nth
/// is mixed.
pub(super) fn zipf(keys: u64, exponent: f64, count: usize, seed: u64) -> Vec<u64> {
    let random = Random::seeded(seed);
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=keys)
        .map(|rank| {
            sum += 1.0 / (rank as f64).powf(exponent);
            sum
        })
        .collect();
    let mut names: Vec<u64> = (0..keys).collect();
    for at in (1..names.len()).rev() {
        names.swap(at, random.below(at as u64 + 1) as usize);
    }
    let draw = |_| {
        let at = random.unit() * sum;
        names[sums.partition_point(|own| *own < at).min(names.len() - 1)]
    };
    (0..count).map(draw).collect()
}

fn with_scans() -> Vec<u64> {
    let mut next = KEYS;
    let mut keys = Vec::new();
    for part in zipf(KEYS, 1.0, READS, 8).chunks(BETWEEN_SCANS) {
        keys.extend_from_slice(part);
        keys.extend(next..next + SCAN);
        next += SCAN;
    }
    keys
}

/// Which share of the second half of the reads is a hit, if what is not there is put there.
pub(super) fn hit_ratio(contender: &dyn Contender, keys: &[u64]) -> f64 {
    let (first, second) = keys.split_at(keys.len() / 2);
    first.iter().for_each(|key| _ = contender.get_or_insert(*key));
    let hits = second.iter().filter(|key| contender.get_or_insert(**key)).count();
    hits as f64 / second.len() as f64
}
