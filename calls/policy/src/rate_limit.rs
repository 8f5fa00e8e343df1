//! Decides how many calls may be made in a time: by one process, for each key, or by many nodes together.
#![doc = include_str!("../../../docs/policies/rate-limit.md")]

mod bucket;
mod config;
pub(crate) mod core;
mod keyed;
mod limiter;
mod line;
mod shared;
mod standing;

pub use config::{Algorithm, Quota, RateLimitConfig};
pub use keyed::{KeyedRateLimit, KeyedRateLimitConfig};
pub use limiter::{Costly, RateLimit, RateTicket};
#[cfg(feature = "redis")]
pub use shared::redis::RedisStore;
pub use shared::{
    AnyStore, Ask, Given, SharedRateLimit, SharedRateLimitConfig, SharedStore, SharedTicket, StoreDown,
    StoreError, StoreLink, StoreLinkConfig,
};
pub use standing::{Standing, retry_after_header};
