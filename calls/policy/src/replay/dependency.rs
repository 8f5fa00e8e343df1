//! Decides what the dependency of a trace does with an attempt that arrives: what it is known to do at that time, after
//! the wait for one of its places.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::trace::{Answer, Behaviour, Call, Source, Trace};

/// The dependency of a trace.
pub(super) struct Dependency {
    calls: Vec<Duration>,
    source: Source,
    capacity: Option<usize>,
    /// When each place that was ever taken is free again.
    free: BinaryHeap<Reverse<Duration>>,
    /// How many attempts of each call have arrived.
    arrived: Vec<u32>,
}

impl Dependency {
    pub(super) fn new(trace: &Trace, capacity: Option<u32>) -> Self {
        let calls: Vec<Duration> = trace.calls.iter().map(|call: &Call| call.at).collect();
        let capacity = capacity.or(trace.capacity).map(|capacity| capacity as usize);
        let arrived = vec![0; calls.len()];
        Self { calls, source: trace.source.clone(), capacity, free: BinaryHeap::new(), arrived }
    }

    /// An attempt of call number `call` arrives at `at`. What it began is finished, also when nobody waits for it any
    /// more: a place is taken until then.
    pub(super) fn arrive(&mut self, call: usize, at: Duration) -> Behaviour {
        let ordinal = self.arrived.get(call).copied().unwrap_or_default();
        if let Some(arrived) = self.arrived.get_mut(call) {
            *arrived += 1;
        }
        let behaviour = match &self.source {
            Source::Generated(generator) => generator.behaviour(call, ordinal, at),
            Source::Recorded(behaviours) => {
                let nearest = nearest(&self.calls, call, at);
                behaviours.get(nearest).copied().unwrap_or(Behaviour { answer: Answer::Lost, took: at })
            }
        };
        match (behaviour.answer, self.capacity) {
            (Answer::Ok | Answer::Failed, Some(capacity)) => {
                let took = self.serve(capacity, at, behaviour.took);
                Behaviour { took, ..behaviour }
            }
            _ => behaviour,
        }
    }

    /// Whoever came first is served first: how long it takes, the wait included.
    fn serve(&mut self, capacity: usize, at: Duration, work: Duration) -> Duration {
        let begin = if self.free.len() < capacity {
            at
        } else {
            self.free.pop().map_or(at, |Reverse(free)| free.max(at))
        };
        let end = begin.saturating_add(work);
        self.free.push(Reverse(end));
        end.saturating_sub(at)
    }
}

/// The call whose behaviour is known nearest to `at`: its own if it arrives when it was recorded.
fn nearest(calls: &[Duration], call: usize, at: Duration) -> usize {
    if calls.get(call) == Some(&at) {
        return call;
    }
    let after = calls.partition_point(|other| *other < at);
    let before = after.checked_sub(1);
    match (before, calls.get(after)) {
        (Some(before), Some(next)) if at - calls[before] <= next.saturating_sub(at) => before,
        (Some(before), None) => before,
        _ => after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_nearest_behaviour_in_time_is_taken() {
        let calls = [10, 20, 20, 40].map(millis);
        for (call, at, expected) in [
            (1, 20, 1),
            (2, 20, 2),
            (0, 20, 1),
            (0, 0, 0),
            (0, 14, 0),
            (0, 15, 0),
            (0, 16, 1),
            (3, 29, 2),
            (1, 31, 3),
            (0, 90, 3),
        ] {
            assert_eq!(nearest(&calls, call, millis(at)), expected, "{call} at {at}");
        }
    }

    #[test]
    fn who_finds_all_places_taken_waits_for_the_first_that_is_free() {
        let line =
            |at: u64, took: u64| format!("{{\"at\":\"{at}ms\",\"took\":\"{took}ms\",\"outcome\":\"ok\"}}\n");
        let text: String =
            [(0, 30), (5, 10), (6, 10), (7, 10), (90, 10)].map(|(at, took)| line(at, took)).concat();
        let trace = Trace::parse(&text).unwrap();
        let took = |capacity| -> Vec<u128> {
            let mut dependency = Dependency::new(&trace, capacity);
            (0..5).map(|call| dependency.arrive(call, trace.calls[call].at).took.as_millis()).collect()
        };
        assert_eq!(took(None), [30, 10, 10, 10, 10]);
        assert_eq!(took(Some(2)), [30, 10, 19, 28, 10]);
        assert_eq!(took(Some(1)), [30, 35, 44, 53, 10]);
    }
}
