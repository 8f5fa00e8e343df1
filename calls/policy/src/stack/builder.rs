//! Builds a stack, part by part or from a file's description.

use std::sync::Arc;

use mamparo_context::{Clock, Random};

use super::config::{ClientConfig, InvalidStack, ServerConfig};
use super::parts::Parts;
use super::{Repeats, Side, Stack};
use crate::InvalidConfig;
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
        client(&ground, &config, None)
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
        server(&ground, &config, None)
    }
}

impl Stack {
    /// The stack that `config` describes, with all that this one knows: policies that both have are changed in place
    /// (breakers stay open, tokens and places in lines are kept), the others are new, or gone. Swap it for this one
    /// when it is there; calls under way end on this one.
    ///
    /// # Errors
    /// `config` is wrong, or describes the policies of a server: nothing has changed.
    pub fn reconfigured(&self, config: &ClientConfig) -> Result<Self, InvalidStack> {
        config.check()?;
        client(&self.ground(), config, Some(self))
    }

    /// As [`reconfigured`](Self::reconfigured), for the policies of a server.
    ///
    /// # Errors
    /// `config` is wrong: nothing has changed.
    pub fn reconfigured_server(&self, config: &ServerConfig) -> Result<Self, InvalidStack> {
        config.check()?;
        server(&self.ground(), config, Some(self))
    }

    fn ground(&self) -> Ground {
        let seed = Some(crate::sync::lock(&self.draw).number());
        Ground { name: Arc::clone(&self.name), clock: self.clock.clone(), seed }
    }
}

fn client(ground: &Ground, config: &ClientConfig, old: Option<&Stack>) -> Result<Stack, InvalidStack> {
    config.check()?;
    let mut draw = ground.draw();
    let known = old.map(|old| &old.parts);
    let parts = Parts {
        bulkhead: part(known.and_then(|known| known.bulkhead.as_ref()), &config.bulkhead, ground, &mut draw)?,
        breaker: part(known.and_then(|known| known.breaker.as_ref()), &config.breaker, ground, &mut draw)?,
    };
    let repeats = match (config.retry, config.hedge, old.map(|old| &old.repeats)) {
        (Some(retry), _, Some(Repeats::Retry(old))) => Repeats::Retry(Arc::new(old.reconfigured(retry)?)),
        (Some(retry), ..) => Repeats::Retry(Arc::new(Retry::new(retry)?)),
        (None, Some(hedge), Some(Repeats::Hedge(old))) => Repeats::Hedge(Arc::new(old.reconfigured(hedge)?)),
        (None, Some(hedge), _) => Repeats::Hedge(Arc::new(Hedge::new(hedge)?)),
        (None, None, _) => Repeats::None,
    };
    let common = Common { timeout: config.timeout, faults: config.fault_injection.clone() };
    stack(ground, Side::Client, common, parts, repeats, draw, old)
}

fn server(ground: &Ground, config: &ServerConfig, old: Option<&Stack>) -> Result<Stack, InvalidStack> {
    config.check()?;
    let mut draw = ground.draw();
    let known = old.map(|old| &old.parts);
    let parts = Parts {
        bulkhead: part(known.and_then(|known| known.bulkhead.as_ref()), &config.bulkhead, ground, &mut draw)?,
        ..Parts::default()
    };
    let common = Common { timeout: config.timeout, faults: config.fault_injection.clone() };
    stack(ground, Side::Server, common, parts, Repeats::None, draw, old)
}

/// What both sides have beside their policies.
struct Common {
    timeout: Option<TimeoutConfig>,
    faults: Option<FaultInjectionConfig>,
}

fn stack(
    ground: &Ground,
    side: Side,
    common: Common,
    parts: Parts,
    repeats: Repeats,
    mut draw: Draw,
    old: Option<&Stack>,
) -> Result<Stack, InvalidStack> {
    let faults = match common.faults {
        Some(faults) => Some(Arc::new(FaultInjection::new(faults, draw.number())?)),
        None => None,
    };
    Ok(Stack {
        name: Arc::clone(&ground.name),
        side,
        clock: ground.clock.clone(),
        timeout: common.timeout.unwrap_or(TimeoutConfig::NONE),
        parts,
        repeats,
        faults,
        counts: old.map(|old| Arc::clone(&old.counts)).unwrap_or_default(),
        draw: Mutex::new(draw),
    })
}

/// A policy of a stack, as it is made and changed.
trait Part: Sized {
    type Config: Clone;

    fn make(config: Self::Config, clock: Clock, seed: u64) -> Result<Self, InvalidConfig>;
    fn change(&self, config: Self::Config) -> Result<(), InvalidConfig>;
}

/// The policy that there is, changed; or a new one; or none.
fn part<P: Part>(
    known: Option<&Arc<P>>,
    config: &Option<P::Config>,
    ground: &Ground,
    draw: &mut Draw,
) -> Result<Option<Arc<P>>, InvalidConfig> {
    let seed = draw.number();
    match (known, config.clone()) {
        (_, None) => Ok(None),
        (Some(policy), Some(config)) => policy.change(config).map(|()| Some(Arc::clone(policy))),
        (None, Some(config)) => {
            P::make(config, ground.clock.clone(), seed).map(|policy| Some(Arc::new(policy)))
        }
    }
}

impl Part for Breaker {
    type Config = BreakerConfig;

    fn make(config: BreakerConfig, clock: Clock, seed: u64) -> Result<Self, InvalidConfig> {
        Self::seeded(config, clock, seed)
    }

    fn change(&self, config: BreakerConfig) -> Result<(), InvalidConfig> {
        self.reconfigure(config)
    }
}

impl Part for Bulkhead {
    type Config = BulkheadConfig;

    fn make(config: BulkheadConfig, clock: Clock, _: u64) -> Result<Self, InvalidConfig> {
        Self::new(config, clock)
    }

    fn change(&self, config: BulkheadConfig) -> Result<(), InvalidConfig> {
        self.reconfigure(config)
    }
}
