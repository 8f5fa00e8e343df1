//! How many of the oldest records of a partition go: decided from what it holds and the options of its log.

use mamparo_context::Timestamp;

use crate::options::LogOptions;

/// What a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) first: u64,
    pub(crate) next: u64,
    pub(crate) bytes: u64,
}

/// One of the oldest records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Oldest {
    pub(crate) size: u64,
    pub(crate) at: Timestamp,
}

/// Whether the oldest record may have to go.
pub(crate) fn may_exceed(held: Held, log: &LogOptions) -> bool {
    held.first < held.next && (log.retention_age.is_some() || over_amount(held, log))
}

fn over_amount(held: Held, log: &LogOptions) -> bool {
    log.retention_records.is_some_and(|most| held.next - held.first > most)
        || log.retention_bytes.is_some_and(|most| held.bytes > most)
}

/// What is left after as many of `oldest` (in order, from the first on) went as have to. The newest record stays,
/// however large or old it is.
pub(crate) fn prune(mut held: Held, oldest: &[Oldest], log: &LogOptions, now: Timestamp) -> Held {
    for record in oldest {
        let too_old = log.retention_age.is_some_and(|age| record.at <= now - age);
        if held.first + 1 >= held.next || !(too_old || over_amount(held, log)) {
            break;
        }
        held.first += 1;
        held.bytes = held.bytes.saturating_sub(record.size);
    }
    held
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn left(held: Held, log: &LogOptions) -> u64 {
        let at = |second: i64| Timestamp::from_micros(second * 1_000_000);
        let oldest: Vec<_> = (0..10).map(|n| Oldest { size: 100, at: at(n) }).collect();
        prune(held, &oldest, log, at(10)).first
    }

    #[test]
    fn oldest_records_go_until_every_bound_holds() {
        let held = Held { first: 0, next: 10, bytes: 1_000 };
        let none = LogOptions::default();
        let age = |seconds| LogOptions { retention_age: Some(Duration::from_secs(seconds)), ..none.clone() };
        let bytes = |most| LogOptions { retention_bytes: Some(most), ..none.clone() };
        let records = |most| LogOptions { retention_records: Some(most), ..none.clone() };
        for (log, first) in [
            (none.clone(), 0),
            (age(4), 7),
            (age(60), 0),
            (age(0), 9),
            (bytes(1_000), 0),
            (bytes(750), 3),
            (bytes(0), 9),
            (records(10), 0),
            (records(4), 6),
            (records(0), 9),
        ] {
            assert_eq!(left(held, &log), first, "{log:?}");
        }
    }

    #[test]
    fn nothing_is_looked_at_without_need() {
        let held = Held { first: 0, next: 10, bytes: 1_000 };
        let log = LogOptions { retention_records: Some(10), ..LogOptions::default() };
        assert!(!may_exceed(held, &log));
        assert!(may_exceed(Held { next: 11, ..held }, &log));
        assert!(!may_exceed(Held { first: 10, ..held }, &log));
    }
}
