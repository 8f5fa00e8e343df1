//! Gradient2: the limit follows the ratio between how long calls used to take and how long they take now, with room
//! for a small line.
//!
//! After Netflix's concurrency-limits. Its long average takes a line that never goes away for normal in the end; here
//! it begins anew from each measurement without a line.

use std::time::Duration;

use super::{Algorithm, Sample};
use crate::adaptive::config::Gradient2Config;

/// Windows whose plain average begins the long one.
const WARM_UP: u32 = 10;

/// Follows the gradient of the latency.
#[derive(Debug)]
pub struct Gradient2 {
    config: Gradient2Config,
    /// Seconds.
    long: f64,
    windows: u32,
}

impl Gradient2 {
    /// One that has seen nothing yet.
    pub const fn new(config: Gradient2Config) -> Self {
        Self { config, long: 0.0, windows: 0 }
    }

    fn learn(&mut self, rtt: f64) {
        self.windows = self.windows.saturating_add(1);
        let weight = match self.windows {
            windows if windows <= WARM_UP => 1.0 / f64::from(windows),
            _ => 2.0 / (f64::from(self.config.long_window) + 1.0),
        };
        self.long += (rtt - self.long) * weight;
        // After a time of overload the long average must not stay high for long.
        if self.long > 2.0 * rtt {
            self.long *= 0.95;
        }
    }
}

impl Algorithm for Gradient2 {
    fn sample(&mut self, sample: &Sample, limit: f64) -> f64 {
        let smoothing = self.config.smoothing;
        if sample.dropped {
            return limit * (1.0 - smoothing / 2.0);
        }
        let rtt = sample.rtt.as_secs_f64().max(1e-9);
        self.learn(rtt);
        if sample.is_idle(limit) {
            return limit;
        }
        let gradient = (self.config.tolerance * self.long / rtt).clamp(0.5, 1.0);
        let next = limit * gradient + self.config.queue;
        limit * (1.0 - smoothing) + next * smoothing
    }

    fn baseline(&mut self, rtt: Duration) {
        self.long = rtt.as_secs_f64();
        self.windows = self.windows.max(WARM_UP);
    }

    fn idle_rtt(&self) -> Option<Duration> {
        (self.windows > 0).then(|| Duration::from_secs_f64(self.long))
    }
}
