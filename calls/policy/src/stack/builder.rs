//! Builds a stack, part by part or from a file's description.

use std::sync::Arc;

use mamparo_context::{Clock, Random};

use super::config::{AdmissionConfig, ClientConfig, InvalidStack, ServerConfig};
use super::parts::Parts;
use super::{Repeats, Side, Stack};
use crate::adaptive::{AdaptiveConfig, AdaptiveLimit};
use crate::breaker::{Breaker, BreakerConfig};
use crate::bulkhead::{Bulkhead, BulkheadConfig};
use crate::draw::Draw;
use crate::fault_injection::{FaultInjection, FaultInjectionConfig};
use crate::hedge::{Hedge, HedgeConfig};
use crate::rate_limit::{AnyStore, RateLimit, RateLimitConfig, SharedRateLimit};
use crate::retry::{Retry, RetryConfig};
use crate::shed::{LimitReached, ShedConfig, Shedder, Signal};
use crate::sync::Mutex;
use crate::throttle::{Throttle, ThrottleConfig};
use crate::timeout::TimeoutConfig;
use crate::{InvalidConfig, Policy};

/// What every stack is built from.
struct Ground {
    name: Arc<str>,
    clock: Clock,
    seed: Option<u64>,
    /// A quota that nodes share.
    shared: Option<Arc<SharedRateLimit<AnyStore>>>,
    /// Signs of overload beside the stack's own adaptive limit.
    signals: Vec<Arc<dyn Signal>>,
}

impl Ground {
    fn new(name: &str) -> Self {
        Self { name: name.into(), clock: Clock::system(), seed: None, shared: None, signals: Vec::new() }
    }

    fn draw(&self) -> Draw {
        Draw::new(self.seed.unwrap_or_else(|| Random::system().next_u64()))
    }
}

macro_rules! grounded {
    ($Builder:ident, $Config:ident) => {
        impl $Builder {
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
        }
    };
}

macro_rules! builder {
    ($Builder:ident, $Config:ident) => {
        grounded!($Builder, $Config);

        impl $Builder {
            pub(super) fn new(name: &str) -> Self {
                Self { ground: Ground::new(name), config: $Config::default() }
            }

            /// By when a call must be answered, and an attempt.
            pub fn timeout(mut self, timeout: TimeoutConfig) -> Self {
                self.config.timeout = Some(timeout);
                self
            }

            /// How many in a time.
            pub fn rate_limit(mut self, rate_limit: RateLimitConfig) -> Self {
                self.config.rate_limit = Some(rate_limit);
                self
            }

            /// How many in a time, of a quota that nodes share.
            pub fn shared_rate_limit(mut self, shared: Arc<SharedRateLimit<AnyStore>>) -> Self {
                self.ground.shared = Some(shared);
                self
            }

            /// How many at the same time, as their latency teaches.
            pub fn adaptive(mut self, adaptive: AdaptiveConfig) -> Self {
                self.config.adaptive = Some(adaptive);
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

    /// What is not even sent while the target refuses most of what it is asked.
    pub fn throttle(mut self, throttle: ThrottleConfig) -> Self {
        self.config.throttle = Some(throttle);
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
#[must_use = "it does nothing until it is built"]
pub struct ServerBuilder {
    ground: Ground,
    config: ServerConfig,
}

builder!(ServerBuilder, ServerConfig);

impl ServerBuilder {
    /// Which requests are turned away while there is too much to do. It needs [`adaptive`](Self::adaptive) or a
    /// [`signal`](Self::signal).
    pub fn shed(mut self, shed: ShedConfig) -> Self {
        self.config.shed = Some(shed);
        self
    }

    /// One more sign of overload, such as a [`Guard`](crate::shed::Guard) of the machine.
    pub fn signal(mut self, signal: Arc<dyn Signal>) -> Self {
        self.ground.signals.push(signal);
        self
    }

    /// The stack.
    ///
    /// # Errors
    /// A policy cannot work with its values.
    pub fn build(self) -> Result<Stack, InvalidStack> {
        let Self { ground, config } = self;
        server(&ground, &config, None)
    }
}

/// Builds the policies around requests that are passed on. What is not set is not there.
#[must_use = "it does nothing until it is built"]
pub struct GatewayBuilder {
    ground: Ground,
    config: AdmissionConfig,
    hedge: Option<HedgeConfig>,
}

grounded!(GatewayBuilder, AdmissionConfig);

impl GatewayBuilder {
    pub(super) fn new(name: &str) -> Self {
        Self { ground: Ground::new(name), config: AdmissionConfig::default(), hedge: None }
    }

    /// What is asked twice; whoever passes requests on does so [by it alone](Stack::hedge_alone).
    pub fn hedge(mut self, hedge: Option<HedgeConfig>) -> Self {
        self.hedge = hedge;
        self
    }

    /// One more sign of overload, such as a [`Guard`](crate::shed::Guard) of the machine.
    pub fn signal(mut self, signal: Arc<dyn Signal>) -> Self {
        self.ground.signals.push(signal);
        self
    }

    /// The stack.
    ///
    /// # Errors
    /// A policy cannot work with its values.
    pub fn build(self) -> Result<Stack, InvalidStack> {
        gateway(&self, None)
    }

    /// The stack, with all that `old` knows: policies that both have are changed in place.
    ///
    /// # Errors
    /// A policy cannot work with its values: nothing has changed.
    pub fn build_after(mut self, old: &Stack) -> Result<Stack, InvalidStack> {
        self.ground = Ground { signals: self.ground.signals, ..old.ground() };
        gateway(&self, Some(old))
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
        Ground {
            name: Arc::clone(&self.name),
            clock: self.clock.clone(),
            seed,
            shared: self.parts.shared_rate_limit.clone(),
            signals: Vec::new(),
        }
    }
}

fn client(ground: &Ground, config: &ClientConfig, old: Option<&Stack>) -> Result<Stack, InvalidStack> {
    config.check()?;
    let mut draw = ground.draw();
    let known = Known(old);
    let parts = Parts {
        throttle: part(known.of(|parts| &parts.throttle), config.throttle, ground, &mut draw)?,
        rate_limit: part(known.of(|parts| &parts.rate_limit), config.rate_limit, ground, &mut draw)?,
        shared_rate_limit: ground.shared.clone(),
        bulkhead: part(known.of(|parts| &parts.bulkhead), config.bulkhead, ground, &mut draw)?,
        adaptive: part(known.of(|parts| &parts.adaptive), config.adaptive, ground, &mut draw)?,
        breaker: part(known.of(|parts| &parts.breaker), config.breaker.clone(), ground, &mut draw)?,
        shed: None,
    };
    let repeats = repeats(config.retry, config.hedge, old)?;
    let common = Common { timeout: config.timeout, faults: config.fault_injection.clone() };
    stack(ground, Side::Client, common, parts, repeats, draw, old)
}

fn server(ground: &Ground, config: &ServerConfig, old: Option<&Stack>) -> Result<Stack, InvalidStack> {
    config.check()?;
    let mut draw = ground.draw();
    let known = Known(old);
    // Before anything is changed.
    let overload = config.adaptive.is_some() || !ground.signals.is_empty();
    let sheds = known.of(|parts| &parts.shed).is_some() || overload || config.shed.is_none();
    InvalidConfig::unless(sheds, Policy::Shed, "signals", "must be at least one")?;
    let adaptive = part(known.of(|parts| &parts.adaptive), config.adaptive, ground, &mut draw)?;
    let parts = Parts {
        rate_limit: part(known.of(|parts| &parts.rate_limit), config.rate_limit, ground, &mut draw)?,
        shared_rate_limit: ground.shared.clone(),
        shed: shed(known.of(|parts| &parts.shed), config.shed, adaptive.as_ref(), ground, &mut draw)?,
        bulkhead: part(known.of(|parts| &parts.bulkhead), config.bulkhead, ground, &mut draw)?,
        adaptive,
        ..Parts::default()
    };
    let common = Common { timeout: config.timeout, faults: config.fault_injection.clone() };
    stack(ground, Side::Server, common, parts, Repeats::None, draw, old)
}

fn gateway(builder: &GatewayBuilder, old: Option<&Stack>) -> Result<Stack, InvalidStack> {
    let GatewayBuilder { ground, config, hedge } = builder;
    config.check()?;
    hedge.as_ref().map_or(Ok(()), HedgeConfig::check)?;
    let overload = config.adaptive.is_some() || !ground.signals.is_empty();
    InvalidConfig::unless(
        overload || config.shed.is_none(),
        Policy::Shed,
        "signals",
        "must be at least one",
    )?;
    let mut draw = ground.draw();
    let known = Known(old);
    let adaptive = part(known.of(|parts| &parts.adaptive), config.adaptive, ground, &mut draw)?;
    let shedder = shed(known.of(|parts| &parts.shed), config.shed, adaptive.as_ref(), ground, &mut draw)?;
    if let (Some(shedder), Some(_)) = (&shedder, old) {
        shedder.listen_to(signals(ground, adaptive.as_ref()));
    }
    let parts = Parts {
        rate_limit: part(known.of(|parts| &parts.rate_limit), config.rate_limit, ground, &mut draw)?,
        shed: shedder,
        bulkhead: part(known.of(|parts| &parts.bulkhead), config.bulkhead, ground, &mut draw)?,
        adaptive,
        breaker: part(known.of(|parts| &parts.breaker), config.breaker.clone(), ground, &mut draw)?,
        ..Parts::default()
    };
    let common = Common { timeout: None, faults: config.fault_injection.clone() };
    let repeats = repeats(None, *hedge, old)?;
    stack(ground, Side::Gateway, common, parts, repeats, draw, old)
}

/// How a call is made more than once, with what `old` knows of it.
fn repeats(
    retry: Option<RetryConfig>,
    hedge: Option<HedgeConfig>,
    old: Option<&Stack>,
) -> Result<Repeats, InvalidConfig> {
    Ok(match (retry, hedge, old.map(|old| &old.repeats)) {
        (Some(retry), _, Some(Repeats::Retry(old))) => Repeats::Retry(Arc::new(old.reconfigured(retry)?)),
        (Some(retry), ..) => Repeats::Retry(Arc::new(Retry::new(retry)?)),
        (None, Some(hedge), Some(Repeats::Hedge(old))) => Repeats::Hedge(Arc::new(old.reconfigured(hedge)?)),
        (None, Some(hedge), _) => Repeats::Hedge(Arc::new(Hedge::new(hedge)?)),
        (None, None, _) => Repeats::None,
    })
}

/// What all sides have beside their policies.
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

/// The stack that was before, if there was one.
struct Known<'a>(Option<&'a Stack>);

impl<'a> Known<'a> {
    fn of<P>(&self, which: impl FnOnce(&'a Parts) -> &'a Option<Arc<P>>) -> Option<&'a Arc<P>> {
        self.0.and_then(|stack| which(&stack.parts).as_ref())
    }
}

/// A shedder that listens to the stack's own adaptive limit, and to what else was given.
fn shed(
    known: Option<&Arc<Shedder>>,
    config: Option<ShedConfig>,
    adaptive: Option<&Arc<AdaptiveLimit>>,
    ground: &Ground,
    draw: &mut Draw,
) -> Result<Option<Arc<Shedder>>, InvalidConfig> {
    let random = Random::seeded(draw.number());
    match (known, config) {
        (_, None) => Ok(None),
        (Some(shedder), Some(config)) => shedder.reconfigure(config).map(|()| Some(Arc::clone(shedder))),
        (None, Some(config)) => {
            let signals = signals(ground, adaptive);
            Shedder::new(config, signals, ground.clock.clone(), random).map(|shedder| Some(Arc::new(shedder)))
        }
    }
}

/// The signs of overload that were given, and the stack's own adaptive limit.
fn signals(ground: &Ground, adaptive: Option<&Arc<AdaptiveLimit>>) -> Vec<Arc<dyn Signal>> {
    let own = adaptive.map(|limit| Arc::new(LimitReached::new(Arc::clone(limit))) as Arc<dyn Signal>);
    ground.signals.iter().cloned().chain(own).collect()
}

/// A policy of a stack, as it is made and changed.
trait Part: Sized {
    type Config;

    fn make(config: Self::Config, clock: Clock, seed: u64) -> Result<Self, InvalidConfig>;
    fn change(&self, config: Self::Config) -> Result<(), InvalidConfig>;
}

/// The policy that there is, changed; or a new one; or none.
fn part<P: Part>(
    known: Option<&Arc<P>>,
    config: Option<P::Config>,
    ground: &Ground,
    draw: &mut Draw,
) -> Result<Option<Arc<P>>, InvalidConfig> {
    let seed = draw.number();
    match (known, config) {
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

impl Part for RateLimit {
    type Config = RateLimitConfig;

    fn make(config: RateLimitConfig, clock: Clock, _: u64) -> Result<Self, InvalidConfig> {
        Self::new(config, clock)
    }

    fn change(&self, config: RateLimitConfig) -> Result<(), InvalidConfig> {
        self.reconfigure(config)
    }
}

impl Part for AdaptiveLimit {
    type Config = AdaptiveConfig;

    fn make(config: AdaptiveConfig, clock: Clock, seed: u64) -> Result<Self, InvalidConfig> {
        Self::new(config, clock, Random::seeded(seed))
    }

    fn change(&self, config: AdaptiveConfig) -> Result<(), InvalidConfig> {
        self.reconfigure(config)
    }
}

impl Part for Throttle {
    type Config = ThrottleConfig;

    fn make(config: ThrottleConfig, clock: Clock, seed: u64) -> Result<Self, InvalidConfig> {
        Self::new(config, clock, Random::seeded(seed))
    }

    fn change(&self, config: ThrottleConfig) -> Result<(), InvalidConfig> {
        self.reconfigure(config)
    }
}
