//! Vegas: how many calls stand in line is reckoned from how much longer a call takes than on an idle dependency; the
//! limit keeps that number small and steady.
//!
//! Brakmo and Peterson, "TCP Vegas" (1995), with the queue estimate `limit * (1 - idle / rtt)` and the logarithmic
//! thresholds of Netflix's concurrency-limits.

use std::time::Duration;

use super::{Algorithm, Sample};
use crate::adaptive::config::VegasConfig;

/// Keeps the line short.
#[derive(Debug)]
pub struct Vegas {
    config: VegasConfig,
    idle: Option<Duration>,
}

impl Vegas {
    /// One that has seen nothing yet.
    pub const fn new(config: VegasConfig) -> Self {
        Self { config, idle: None }
    }

    /// How many calls of `limit` stand in line.
    pub fn queue(limit: f64, idle: Duration, rtt: Duration) -> f64 {
        if rtt <= idle { 0.0 } else { (limit * (1.0 - idle.as_secs_f64() / rtt.as_secs_f64())).ceil() }
    }

    fn step(limit: f64) -> f64 {
        limit.log10().max(1.0)
    }
}

impl Algorithm for Vegas {
    fn sample(&mut self, sample: &Sample, limit: f64) -> f64 {
        let step = Self::step(limit);
        if sample.dropped {
            return limit - step;
        }
        let idle = self.idle.map_or(sample.rtt, |idle| idle.min(sample.rtt));
        self.idle = Some(idle);
        if sample.is_idle(limit) {
            return limit;
        }
        let queue = Self::queue(limit, idle, sample.rtt);
        let (alpha, beta) = (self.config.alpha * step, self.config.beta * step);
        let next = if queue <= step {
            limit + beta
        } else if queue < alpha {
            limit + step
        } else if queue > beta {
            limit - step
        } else {
            limit
        };
        limit + (next - limit) * self.config.smoothing
    }

    fn baseline(&mut self, rtt: Duration) {
        self.idle = Some(rtt);
    }

    fn idle_rtt(&self) -> Option<Duration> {
        self.idle
    }
}
