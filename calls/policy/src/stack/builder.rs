//! Builds a stack, part by part or from a file's description.

use std::sync::Arc;

use mamparo_context::{Clock, Random};

use super::config::{ClientConfig, InvalidStack, ServerConfig};
use super::parts::Parts;
use super::{Repeats, Side, Stack};
use crate::breaker::{Breaker, BreakerConfig};
use crate::bulkhead::{Bulkhead, BulkheadConfig};
use crate::draw::Draw;
use crate::fault_injection::{FaultInjection, FaultInjectionConfig};
use crate::hedge::{Hedge, HedgeConfig};
use crate::retry::{Retry, RetryConfig};
use crate::sync::Mutex;
use crate::timeout::TimeoutConfig;

/// What every stack is built from.
#[derive(Debug)]
struct Ground {
    name: Arc<str>,
    clock: Clock,
    seed: Option<u64>,
}

impl Ground {
    fn new(name: &str) -> Self {
        Self { name: name.into(), clock: Clock::system(), seed: None }
    }

    fn draw(&self) -> Draw {
        Draw::new(self.seed.unwrap_or_else(|| Random::system().next_u64()))
    }
}

macro_rules! builder {
    ($Builder:ident, $Config:ident) => {
        impl $Builder {
            pub(super) fn new(name: &str) -> Self {
                Self { ground: Ground::new(name), config: $Config::default() }
            }

            /// All policies, as a file describes them, in place of those that were set.
            pub fn config(mut self, config: $Config) -> Self {
                self.config = config;
                self
            }

            /// Another clock than the machine's.
            pub fn clock(mut self, clock: Clock) -> Self {
                self.ground.clock = clock;
                self
            }

            /// Randomness that a seed repeats.
            pub fn seed(mut self, seed: u64) -> Self {
                self.ground.seed = Some(seed);
                self
            }

            /// By when a call must be answered, and an attempt.
            pub fn timeout(mut self, timeout: TimeoutConfig) -> Self {
                self.config.timeout = Some(timeout);
                self
            }

            /// How many at the same time.
            pub fn bulkhead(mut self, bulkhead: BulkheadConfig) -> Self {
                self.config.bulkhead = Some(bulkhead);
                self
            }

            /// Faults on purpose.
            pub fn fault_injection(mut self, faults: FaultInjectionConfig) -> Self {
                self.config.fault_injection = Some(faults);
                self
            }
        }
    };
}

/// Builds the policies around the calls of a target. What is not set is not there.
#[derive(Debug)]
#[must_use = "it does nothing until it is built"]
pub struct ClientBuilder {
    ground: Ground,
    config: ClientConfig,
}

builder!(ClientBuilder, ClientConfig);

impl ClientBuilder {
    /// What is asked again.
    pub fn retry(mut self, retry: RetryConfig) -> Self {
        self.config.retry = Some(retry);
        self
    }

    /// What is asked twice.
    pub fn hedge(mut self, hedge: HedgeConfig) -> Self {
        self.config.hedge = Some(hedge);
        self
    }

    /// When the target is not asked for a while.
    pub fn breaker(mut self, breaker: BreakerConfig) -> Self {
        self.config.breaker = Some(breaker);
        self
    }

    /// The stack.
    ///
    /// # Errors
    /// A policy cannot work with its values, or two exclude each other.
    pub fn build(self) -> Result<Stack, InvalidStack> {
        let Self { ground, config } = self;
        let mut draw = ground.draw();
        let timeout = timeout(config.timeout)?;
        let parts = Parts {
            bulkhead: bulkhead(config.bulkhead, &ground)?,
            breaker: match config.breaker {
                Some(breaker) => {
                    Some(Arc::new(Breaker::seeded(breaker, ground.clock.clone(), draw.number())?))
                }
                None => None,
            },
        };
        let repeats = match (config.retry, config.hedge) {
            (None, None) => Repeats::None,
            (Some(retry), None) => {
                retry.check()?;
                Repeats::Retry(Arc::new(Retry::new(retry)))
            }
            (None, Some(hedge)) => {
                hedge.check()?;
                Repeats::Hedge(Arc::new(Hedge::new(hedge)))
            }
            (Some(_), Some(_)) => return Err(InvalidStack::RetryAndHedge),
        };
        let faults = faults(config.fault_injection, &mut draw)?;
        Ok(Stack {
            name: ground.name,
            side: Side::Client,
            clock: ground.clock,
            timeout,
            parts,
            repeats,
            faults,
            counts: Arc::default(),
            draw: Mutex::new(draw),
        })
    }
}

/// Builds the policies around the requests that a server takes. What is not set is not there.
#[derive(Debug)]
#[must_use = "it does nothing until it is built"]
pub struct ServerBuilder {
    ground: Ground,
    config: ServerConfig,
}

builder!(ServerBuilder, ServerConfig);

impl ServerBuilder {
    /// The stack.
    ///
    /// # Errors
    /// A policy cannot work with its values.
    pub fn build(self) -> Result<Stack, InvalidStack> {
        let Self { ground, config } = self;
        let mut draw = ground.draw();
        let timeout = timeout(config.timeout)?;
        let parts = Parts { bulkhead: bulkhead(config.bulkhead, &ground)?, ..Parts::default() };
        let faults = faults(config.fault_injection, &mut draw)?;
        Ok(Stack {
            name: ground.name,
            side: Side::Server,
            clock: ground.clock,
            timeout,
            parts,
            repeats: Repeats::None,
            faults,
            counts: Arc::default(),
            draw: Mutex::new(draw),
        })
    }
}

fn timeout(config: Option<TimeoutConfig>) -> Result<TimeoutConfig, InvalidStack> {
    let config = config.unwrap_or(TimeoutConfig::NONE);
    config.check()?;
    Ok(config)
}

fn bulkhead(config: Option<BulkheadConfig>, ground: &Ground) -> Result<Option<Arc<Bulkhead>>, InvalidStack> {
    let Some(config) = config else { return Ok(None) };
    Ok(Some(Arc::new(Bulkhead::new(config, ground.clock.clone())?)))
}

fn faults(
    config: Option<FaultInjectionConfig>,
    draw: &mut Draw,
) -> Result<Option<Arc<FaultInjection>>, InvalidStack> {
    let Some(config) = config else { return Ok(None) };
    Ok(Some(Arc::new(FaultInjection::new(config, draw.number())?)))
}
