//! AIMD: one more with every window that went well, a share less with every window in which a call was dropped or
//! took too long.
//!
//! Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance" (1989).

use std::time::Duration;

use super::{Algorithm, Sample};
use crate::adaptive::config::AimdConfig;

/// Adds slowly, and takes away at once.
#[derive(Debug)]
pub struct Aimd {
    config: AimdConfig,
}

impl Aimd {
    /// It has nothing to learn but the limit.
    pub const fn new(config: AimdConfig) -> Self {
        Self { config }
    }
}

impl Algorithm for Aimd {
    fn sample(&mut self, sample: &Sample, limit: f64) -> f64 {
        if sample.dropped || sample.rtt > self.config.slow {
            limit * self.config.backoff
        } else if sample.is_idle(limit) {
            limit
        } else {
            limit + self.config.increase
        }
    }

    fn baseline(&mut self, _rtt: Duration) {}

    fn idle_rtt(&self) -> Option<Duration> {
        None
    }
}
