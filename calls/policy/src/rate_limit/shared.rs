//! A quota that many nodes share: what is left of it stands in a store that all of them reach. Here are the words;
//! [`local`] decides what a node can answer by itself, [`link`] when the store is asked, and [`limit`] is the whole.

mod any;
mod limit;
mod link;
mod local;
#[cfg(feature = "redis")]
pub(super) mod redis;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::any::AnyStore;
pub use self::limit::{SharedRateLimit, SharedTicket};
pub use self::link::StoreLink;
use super::Quota;
use crate::limits::{SHARED_BLOCK_MAX, SHARED_KEY_MAX, SHARED_LEASE_MAX, SHARED_NODES_MAX, SHARED_WAIT_MAX};
use crate::{InvalidConfig, Mode, Policy};

/// Where a quota is kept that nodes share. One call of it is one atomic step, on the clock of the store.
pub trait SharedStore: Send + Sync + 'static {
    /// Takes as many tokens as are there and are wanted, or none.
    ///
    /// Dropped before it has ended, it may have taken tokens that nobody uses.
    ///
    /// # Errors
    /// The store cannot be reached, or does not work.
    fn take(&self, ask: &Ask<'_>) -> impl Future<Output = Result<Given, StoreError>> + Send;

    /// Puts back tokens that were taken for nothing.
    ///
    /// # Errors
    /// The store cannot be reached, or does not work.
    fn put_back(
        &self,
        key: &str,
        quota: &Quota,
        tokens: u32,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// An answer did not come in time: connections that are open are not to be trusted any more.
    fn distrust(&self) {}
}

/// What is asked of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask<'a> {
    /// The name of the quota.
    pub key: &'a str,
    /// How much it is.
    pub quota: &'a Quota,
    /// Fewer tokens than these are of no use.
    pub least: u32,
    /// More than these are not wanted.
    pub most: u32,
}

/// What a store gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// Tokens; 0 if there were fewer than of use.
    pub tokens: u32,
    /// Tokens that are left for others.
    pub remaining: u32,
    /// After which time there are as many as are of use.
    pub retry_after: Duration,
    /// After which time there are as many as there can be.
    pub reset: Duration,
}

/// The store cannot be reached, or does not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store of a rate limit: {0}")]
pub struct StoreError(pub String);

/// What becomes of calls while the store cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum StoreDown {
    /// They go: the quota protects less than the calls are worth.
    Open,
    /// They are refused: the quota protects more.
    Closed,
    /// Each node lets its share go.
    LocalShare {
        /// Among how many nodes the quota is shared.
        #[schemars(range(min = 1))]
        nodes: u32,
    },
}

/// How a store is asked, by all limits that it keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StoreLinkConfig {
    /// Longest time that it may take to answer.
    #[serde(default = "answer_within", with = "mamparo_context::duration")]
    #[schemars(with = "String", extend("format" = "duration"))]
    pub timeout: Duration,
    /// How long it is left alone after it has not answered; then one call tries again.
    #[serde(default = "pause", with = "mamparo_context::duration")]
    #[schemars(with = "String", extend("format" = "duration"))]
    pub pause: Duration,
}

const fn answer_within() -> Duration {
    Duration::from_millis(50)
}

const fn pause() -> Duration {
    Duration::from_secs(1)
}

impl Default for StoreLinkConfig {
    fn default() -> Self {
        Self { timeout: answer_within(), pause: pause() }
    }
}

impl StoreLinkConfig {
    /// Whether it can work.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        for (field, value) in [("timeout", self.timeout), ("pause", self.pause)] {
            let holds = !value.is_zero() && value <= SHARED_WAIT_MAX;
            InvalidConfig::unless(holds, Policy::RateLimit, field, "must be from 1us to 60s")?;
        }
        Ok(())
    }
}

/// A quota that nodes share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SharedRateLimitConfig {
    /// The name of the quota in the store; nodes that use the same share it.
    pub key: String,
    /// What all nodes together may take.
    pub quota: Quota,
    /// What becomes of calls while the store cannot be reached. There is no default: each of them is wrong for
    /// somebody.
    pub store_down: StoreDown,
    /// Tokens that a node takes at once, to hand them out without asking; 1 asks for every call.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = SHARED_BLOCK_MAX))]
    pub block: u32,
    /// How long a node may keep them; what it has not handed out by then is lost.
    #[serde(default = "lease", with = "mamparo_context::duration")]
    #[schemars(with = "String", extend("format" = "duration"))]
    pub lease: Duration,
    /// Whether it acts.
    #[serde(default)]
    pub mode: Mode,
}

const fn one() -> u32 {
    1
}

const fn lease() -> Duration {
    Duration::from_millis(100)
}

impl SharedRateLimitConfig {
    /// `quota`, under the name `key`; every call asks the store.
    pub fn new(key: impl Into<String>, quota: Quota, store_down: StoreDown) -> Self {
        Self { key: key.into(), quota, store_down, block: one(), lease: lease(), mode: Mode::Enforce }
    }

    /// The same, where a node takes `block` tokens at once and keeps them for `lease` at most.
    #[must_use]
    pub fn leased(mut self, block: u32, lease: Duration) -> Self {
        self.block = block;
        self.lease = lease;
        self
    }

    /// Whether it can work.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let checked =
            |holds, field, problem: &str| InvalidConfig::unless(holds, Policy::RateLimit, field, problem);
        self.quota.price()?;
        let named = !self.key.is_empty() && self.key.len() <= SHARED_KEY_MAX;
        checked(named, "key", "must have from 1 to 512 bytes")?;
        checked(self.block >= 1 && self.block <= SHARED_BLOCK_MAX, "block", "must be from 1 to 1000000")?;
        checked(self.block <= self.quota.most(), "block", "must be no larger than the burst")?;
        checked(!self.lease.is_zero() && self.lease <= SHARED_LEASE_MAX, "lease", "must be from 1us to 60s")?;
        let nodes = match self.store_down {
            StoreDown::LocalShare { nodes } => nodes,
            StoreDown::Open | StoreDown::Closed => 1,
        };
        checked((1..=SHARED_NODES_MAX).contains(&nodes), "store-down", "nodes must be from 1 to 100000")
    }
}
