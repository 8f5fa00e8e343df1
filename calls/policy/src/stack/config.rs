//! A stack as a file describes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::InvalidConfig;
use crate::adaptive::AdaptiveConfig;
use crate::breaker::BreakerConfig;
use crate::bulkhead::BulkheadConfig;
use crate::fault_injection::FaultInjectionConfig;
use crate::hedge::HedgeConfig;
use crate::rate_limit::RateLimitConfig;
use crate::retry::RetryConfig;
use crate::shed::ShedConfig;
use crate::throttle::ThrottleConfig;
use crate::timeout::TimeoutConfig;

/// The policies around the calls of a target. What is left out is not there; the order is always the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientConfig {
    /// By when a call must be answered, and an attempt.
    pub timeout: Option<TimeoutConfig>,
    /// What is asked again. Not together with `hedge`.
    pub retry: Option<RetryConfig>,
    /// What is asked twice. Not together with `retry`.
    pub hedge: Option<HedgeConfig>,
    /// What is not even sent while the target refuses most of what it is asked.
    pub throttle: Option<ThrottleConfig>,
    /// How many calls in a time: a quota that we keep of ourselves.
    pub rate_limit: Option<RateLimitConfig>,
    /// How many calls at the same time.
    pub bulkhead: Option<BulkheadConfig>,
    /// How many calls at the same time, as their latency teaches.
    pub adaptive: Option<AdaptiveConfig>,
    /// When a target is not asked for a while.
    pub breaker: Option<BreakerConfig>,
    /// Faults on purpose.
    pub fault_injection: Option<FaultInjectionConfig>,
}

/// The policies around the requests that a server takes. What is left out is not there; the order is always the
/// same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// By when a request must be answered.
    pub timeout: Option<TimeoutConfig>,
    /// How many requests in a time.
    pub rate_limit: Option<RateLimitConfig>,
    /// Which requests are turned away while there is too much to do. It needs `adaptive`, or another sign of overload
    /// that is given when the stack is built.
    pub shed: Option<ShedConfig>,
    /// How many requests at the same time.
    pub bulkhead: Option<BulkheadConfig>,
    /// How many requests at the same time, as their latency teaches.
    pub adaptive: Option<AdaptiveConfig>,
    /// Faults on purpose.
    pub fault_injection: Option<FaultInjectionConfig>,
}

impl ClientConfig {
    /// Whether a stack can be built from it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), InvalidStack> {
        if self.retry.is_some() && self.hedge.is_some() {
            return Err(InvalidStack::RetryAndHedge);
        }
        self.timeout.as_ref().map_or(Ok(()), TimeoutConfig::check)?;
        self.retry.as_ref().map_or(Ok(()), RetryConfig::check)?;
        self.hedge.as_ref().map_or(Ok(()), HedgeConfig::check)?;
        self.throttle.as_ref().map_or(Ok(()), ThrottleConfig::check)?;
        self.rate_limit.as_ref().map_or(Ok(()), RateLimitConfig::check)?;
        self.bulkhead.as_ref().map_or(Ok(()), BulkheadConfig::check)?;
        self.adaptive.as_ref().map_or(Ok(()), AdaptiveConfig::check)?;
        self.breaker.as_ref().map_or(Ok(()), BreakerConfig::check)?;
        self.fault_injection.as_ref().map_or(Ok(()), FaultInjectionConfig::check)?;
        Ok(())
    }
}

impl ServerConfig {
    /// Whether a stack can be built from it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), InvalidStack> {
        self.timeout.as_ref().map_or(Ok(()), TimeoutConfig::check)?;
        self.rate_limit.as_ref().map_or(Ok(()), RateLimitConfig::check)?;
        self.shed.as_ref().map_or(Ok(()), ShedConfig::check)?;
        self.bulkhead.as_ref().map_or(Ok(()), BulkheadConfig::check)?;
        self.adaptive.as_ref().map_or(Ok(()), AdaptiveConfig::check)?;
        self.fault_injection.as_ref().map_or(Ok(()), FaultInjectionConfig::check)?;
        Ok(())
    }
}

/// The policies around requests that are passed on in a way of its own by whoever takes them, such as a gateway, which
/// has timeouts and repeats beside them. What is left out is not there; the order is always the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdmissionConfig {
    /// How many requests in a time.
    pub rate_limit: Option<RateLimitConfig>,
    /// Which requests are turned away while there is too much to do. It needs `adaptive`, or another sign of overload.
    pub shed: Option<ShedConfig>,
    /// How many requests at the same time.
    pub bulkhead: Option<BulkheadConfig>,
    /// How many requests at the same time, as their latency teaches.
    pub adaptive: Option<AdaptiveConfig>,
    /// When nothing is let through for a while.
    pub breaker: Option<BreakerConfig>,
    /// Faults on purpose.
    pub fault_injection: Option<FaultInjectionConfig>,
}

impl AdmissionConfig {
    /// Whether a stack can be built from it.
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        self.rate_limit.as_ref().map_or(Ok(()), RateLimitConfig::check)?;
        self.shed.as_ref().map_or(Ok(()), ShedConfig::check)?;
        self.bulkhead.as_ref().map_or(Ok(()), BulkheadConfig::check)?;
        self.adaptive.as_ref().map_or(Ok(()), AdaptiveConfig::check)?;
        self.breaker.as_ref().map_or(Ok(()), BreakerConfig::check)?;
        self.fault_injection.as_ref().map_or(Ok(()), FaultInjectionConfig::check)
    }
}

/// Why a stack cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStack {
    /// A value of one of its policies is wrong.
    #[error(transparent)]
    Policy(#[from] InvalidConfig),
    /// It has a retry and a hedge: a call is made again after it failed, or beside itself while it is slow.
    #[error("retry and hedge exclude each other: take out one of them")]
    RetryAndHedge,
}
