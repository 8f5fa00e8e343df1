//! Decides how many calls may be under way at the same time, from how long they take. No clock, randomness or I/O.
//!
//! Calls are gathered into windows; at the end of each an [`Algorithm`] says the next limit. Algorithms that compare
//! with the time of an idle dependency have that measured anew now and then: the limit is held low until what stood
//! in line is worked off, and the calls that begin then are the measure. Without that, a queue that never goes away
//! would slowly be taken for the work itself, and the limit would drift upwards.

pub mod aimd;
pub mod gradient2;
pub mod probe;
pub mod vegas;
pub mod window;

use std::time::Duration;

use mamparo_context::Moment;

use self::aimd::Aimd;
use self::gradient2::Gradient2;
use self::probe::{Probe, Step};
use self::vegas::Vegas;
use self::window::Window;
use super::config::{AdaptiveConfig, AlgorithmConfig};

/// What the calls of one window came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// How long a call took on average.
    pub rtt: Duration,
    /// Most calls that were under way at the same time.
    pub in_flight: u64,
    /// Whether a call was dropped: it was not answered in time, or the answer was that there is too much to do.
    pub dropped: bool,
    /// When the window ended.
    pub now: Moment,
}

impl Sample {
    /// Whether so little of `limit` was used that nothing can be said of a higher one.
    pub fn is_idle(&self, limit: f64) -> bool {
        (self.in_flight as f64) * 2.0 < limit
    }
}

/// Learns a limit.
pub trait Algorithm {
    /// The next limit, after a window with this `limit`. It is not yet held within bounds.
    fn sample(&mut self, sample: &Sample, limit: f64) -> f64;

    /// The time of a call was measured while nothing stood in line.
    fn baseline(&mut self, rtt: Duration);

    /// The time of a call while nothing stands in line, where the algorithm goes by one.
    fn idle_rtt(&self) -> Option<Duration>;
}

/// One of the algorithms there are.
#[derive(Debug)]
enum Learner {
    Vegas(Vegas),
    Gradient2(Gradient2),
    Aimd(Aimd),
}

impl Learner {
    fn new(config: &AlgorithmConfig) -> Self {
        match config {
            AlgorithmConfig::Vegas(config) => Self::Vegas(Vegas::new(*config)),
            AlgorithmConfig::Gradient2(config) => Self::Gradient2(Gradient2::new(*config)),
            AlgorithmConfig::Aimd(config) => Self::Aimd(Aimd::new(*config)),
        }
    }

    fn as_algorithm(&self) -> &dyn Algorithm {
        match self {
            Self::Vegas(own) => own,
            Self::Gradient2(own) => own,
            Self::Aimd(own) => own,
        }
    }

    fn as_algorithm_mut(&mut self) -> &mut dyn Algorithm {
        match self {
            Self::Vegas(own) => own,
            Self::Gradient2(own) => own,
            Self::Aimd(own) => own,
        }
    }
}

/// What one call came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Call {
    /// When it began.
    pub began: Moment,
    /// How many were under way when it began, itself included.
    pub in_flight: u64,
    /// Whether it was dropped.
    pub dropped: bool,
}

/// The decisions of one adaptive limit.
#[derive(Debug)]
pub struct Core {
    config: AdaptiveConfig,
    learner: Learner,
    window: Window,
    probe: Probe,
    learned: f64,
    rtt: Option<Duration>,
}

impl Core {
    /// A limit that has seen nothing yet.
    pub fn new(config: AdaptiveConfig, now: Moment) -> Self {
        Self {
            learner: Learner::new(&config.algorithm),
            window: Window::new(now),
            probe: Probe::new(&config, now),
            learned: f64::from(config.initial),
            rtt: None,
            config,
        }
    }

    /// Changes the configuration. What was learned is kept, within the new bounds; another algorithm, or the same
    /// with other values, learns its own figures anew.
    pub fn reconfigure(&mut self, config: AdaptiveConfig, now: Moment) {
        if config.algorithm != self.config.algorithm {
            self.learner = Learner::new(&config.algorithm);
        }
        self.probe.reconfigure(&config, now);
        self.config = config;
        self.learned = self.bounded(self.learned);
    }

    /// The configuration.
    pub const fn config(&self) -> &AdaptiveConfig {
        &self.config
    }

    /// A call has ended; `unit` is drawn from `0.0..1.0` where it is needed.
    pub fn record(&mut self, call: Call, now: Moment, unit: impl FnOnce() -> f64) {
        if self.goes_by_baseline() {
            match self.probe.see(&call, now, unit) {
                Step::Idle => {}
                Step::Begin => self.probe.drain(self.probe_limit(), now),
                Step::Skip => return,
                Step::Measured(rtt) => {
                    self.learner.as_algorithm_mut().baseline(rtt);
                    self.window = Window::new(now);
                    return;
                }
            }
        }
        self.window.add(&call, now);
        let Some(sample) = self.window.close(&self.config, now) else { return };
        let next = self.learner.as_algorithm_mut().sample(&sample, self.learned);
        self.learned = self.bounded(next);
        self.rtt = Some(sample.rtt);
    }

    /// How many calls may be under way.
    pub fn limit(&self) -> u64 {
        let limit = if self.probe.is_under_way() { self.probe_limit() } else { self.learned.floor() as u64 };
        limit.max(1)
    }

    /// The limit that was learned; a measurement holds the limit below it for a moment.
    pub const fn learned(&self) -> f64 {
        self.learned
    }

    /// How long a call took on average in the last window.
    pub const fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// How long a call takes while nothing stands in line.
    pub fn idle_rtt(&self) -> Option<Duration> {
        self.learner.as_algorithm().idle_rtt()
    }

    fn goes_by_baseline(&self) -> bool {
        !matches!(self.learner, Learner::Aimd(_))
    }

    /// Low enough that nothing stands in line: half of what the dependency is thought to work at.
    fn probe_limit(&self) -> u64 {
        let headroom = match &self.config.algorithm {
            AlgorithmConfig::Gradient2(config) => config.tolerance,
            AlgorithmConfig::Vegas(_) | AlgorithmConfig::Aimd(_) => 1.0,
        };
        (self.learned / (2.0 * headroom)).ceil() as u64
    }

    fn bounded(&self, limit: f64) -> f64 {
        let limit = if limit.is_finite() { limit } else { self.learned };
        limit.clamp(f64::from(self.config.min), f64::from(self.config.max))
    }
}

#[cfg(test)]
mod tests;
