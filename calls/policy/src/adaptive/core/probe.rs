//! When the time of an idle dependency is measured anew: at intervals with jitter, so that the nodes of a fleet do
//! not all hold back at once.

use std::time::Duration;

use mamparo_context::Moment;

use super::Call;
use crate::adaptive::config::AdaptiveConfig;
use crate::draw::scaled;

/// The share of the interval by which a measurement comes earlier or later.
const JITTER: f64 = 0.25;
/// A measurement that has not come to an end after so many windows is given up.
const PATIENCE: u32 = 20;

/// What a call means to the measurement.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// There is none.
    Idle,
    /// It is time for one.
    Begin,
    /// The call says nothing of the limit: it belongs to a measurement that is under way.
    Skip,
    /// It is over, and a call took so long on average.
    Measured(Duration),
}

#[derive(Debug)]
enum State {
    Waiting {
        next: Moment,
    },
    /// What stood in line is being worked off.
    Draining {
        limit: u64,
        gives_up: Moment,
    },
    /// Calls that began after `since` are the measure.
    Measuring {
        since: Moment,
        gives_up: Moment,
        calls: u32,
        sum: Duration,
    },
}

#[derive(Debug)]
pub(super) struct Probe {
    state: State,
    every: Duration,
    window: Duration,
    samples: u32,
}

impl Probe {
    pub(super) fn new(config: &AdaptiveConfig, now: Moment) -> Self {
        let state = State::Waiting { next: now + config.probe_every };
        Self { state, every: config.probe_every, window: config.window, samples: config.min_samples }
    }

    pub(super) fn reconfigure(&mut self, config: &AdaptiveConfig, now: Moment) {
        if config.probe_every != self.every {
            self.state = State::Waiting { next: now + config.probe_every };
        }
        self.every = config.probe_every;
        self.window = config.window;
        self.samples = config.min_samples;
    }

    pub(super) const fn is_under_way(&self) -> bool {
        !matches!(self.state, State::Waiting { .. })
    }

    /// Begins a measurement with no more than `limit` calls under way.
    pub(super) fn drain(&mut self, limit: u64, now: Moment) {
        self.state = State::Draining { limit, gives_up: now + self.window.saturating_mul(PATIENCE) };
    }

    pub(super) fn see(&mut self, call: &Call, now: Moment, unit: impl FnOnce() -> f64) -> Step {
        match &mut self.state {
            State::Waiting { next } if now < *next => Step::Idle,
            State::Waiting { .. } => {
                self.wait(now, unit());
                Step::Begin
            }
            State::Draining { gives_up, .. } | State::Measuring { gives_up, .. } if now >= *gives_up => {
                self.wait(now, unit());
                Step::Idle
            }
            State::Draining { limit, gives_up } => {
                if call.in_flight <= *limit {
                    let gives_up = *gives_up;
                    self.state = State::Measuring { since: now, gives_up, calls: 0, sum: Duration::ZERO };
                }
                Step::Skip
            }
            State::Measuring { since, .. } if call.began < *since || call.dropped => Step::Skip,
            State::Measuring { calls, sum, .. } => {
                *calls += 1;
                *sum += now.since(call.began);
                if *calls < self.samples {
                    return Step::Skip;
                }
                let rtt = *sum / *calls;
                self.wait(now, unit());
                Step::Measured(rtt)
            }
        }
    }

    fn wait(&mut self, now: Moment, unit: f64) {
        let next = now + scaled(self.every, 1.0 - JITTER + 2.0 * JITTER * unit);
        self.state = State::Waiting { next };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_nanos(0) + Duration::from_millis(ms)
    }

    fn call(began: u64, in_flight: u64) -> Call {
        Call { began: at(began), in_flight, dropped: false }
    }

    #[test]
    fn a_measurement_waits_for_the_line_and_counts_only_calls_that_begin_after_it() {
        let config = AdaptiveConfig {
            probe_every: Duration::from_secs(10),
            min_samples: 2,
            ..AdaptiveConfig::default()
        };
        let mut probe = Probe::new(&config, at(0));
        let unit = || 0.5;
        assert_eq!(probe.see(&call(0, 40), at(9_999), unit), Step::Idle);
        assert_eq!(probe.see(&call(0, 40), at(10_000), unit), Step::Begin);
        probe.drain(20, at(10_000));
        assert!(probe.is_under_way());
        assert_eq!(probe.see(&call(9_990, 40), at(10_010), unit), Step::Skip);
        assert_eq!(probe.see(&call(9_999, 20), at(10_050), unit), Step::Skip);
        assert_eq!(probe.see(&call(10_049, 20), at(10_099), unit), Step::Skip);
        assert_eq!(probe.see(&call(10_050, 20), at(10_060), unit), Step::Skip);
        let measured = Step::Measured(Duration::from_millis(15));
        assert_eq!(probe.see(&call(10_060, 20), at(10_080), unit), measured);
        assert!(!probe.is_under_way());
    }

    #[test]
    fn the_next_one_comes_with_jitter_and_a_stuck_one_is_given_up() {
        let config = AdaptiveConfig { probe_every: Duration::from_secs(10), ..AdaptiveConfig::default() };
        for (unit, next) in [(0.0, 7_500), (0.5, 10_000), (1.0, 12_500)] {
            let mut probe = Probe::new(&config, at(0));
            assert_eq!(probe.see(&call(0, 9), at(10_000), || 0.5), Step::Begin);
            probe.drain(4, at(10_000));
            assert_eq!(probe.see(&call(0, 9), at(11_999), || unit), Step::Skip);
            assert_eq!(probe.see(&call(0, 9), at(12_000), || unit), Step::Idle);
            assert!(!probe.is_under_way());
            assert_eq!(probe.see(&call(0, 9), at(12_000 + next - 1), || unit), Step::Idle);
            assert_eq!(probe.see(&call(0, 9), at(12_000 + next), || unit), Step::Begin);
        }
    }
}
