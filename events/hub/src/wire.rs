//! The protocol, as `proto/mamparo/hub/v1/hub.proto` has it, and how the words of the contracts are said in it.

pub(crate) mod error;
pub(crate) mod message;

/// What is made of the protocol's file.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub(crate) mod proto {
    tonic::include_proto!("mamparo.hub.v1");
}

use std::time::Duration;

/// A time as whole milliseconds, rounded up, so that a short one does not become none.
pub(crate) fn to_millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

pub(crate) fn from_millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A count as the wire has it.
pub(crate) fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
