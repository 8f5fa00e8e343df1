//! The second level, which nodes share: what it must be able to do, and how a cache works before it.
//!
//! A reader goes from the first level to the second to the source. Of all nodes that miss a key one has the lease and
//! loads; only who holds the lease may fill the second level, and an invalidation takes the lease away: what was read
//! before it is not stored anywhere. An invalidation is told to all nodes by a note with a number; where numbers are
//! missing, everything that a node knows is suspect: stale, and not gone.

mod entry;
mod listening;
mod reading;
#[cfg(feature = "redis")]
mod redis;
mod two_level;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use crate::core::recovery::Scope;
use crate::journal::BoxFuture;
#[cfg(feature = "redis")]
pub use redis::{RedisOptions, RedisTier};
pub use two_level::{Reach, TwoLevel, TwoLevelBuilder, TwoLevelError, TwoLevelOptions, TwoLevelStatus};

/// The second level did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("second level: {why}")]
pub struct TierError {
    /// What was wrong.
    pub why: String,
}

/// What the second level has under a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The entry, if there is one.
    pub entry: Option<Bytes>,
    /// The number of the last clearing of everything: entries with a smaller one are not true.
    pub cleared: u64,
}

/// Whether a node may load a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// It may, and fills the second level in the name of this token. The number is that of the last note.
    Held {
        /// Proves that it holds the lease.
        token: u64,
        /// The number of the last note.
        sequence: u64,
    },
    /// Another one does.
    Taken,
}

/// What another node says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its number.
    pub sequence: u64,
    /// Who says it.
    pub origin: u64,
    /// What is no longer true.
    pub scope: Scope<Bytes>,
}

/// A level that nodes share. It keeps bytes for a while, gives leases, and carries notes.
pub trait Tier: Send + Sync + 'static {
    /// What it has under `key`.
    fn read<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Kept, TierError>>;

    /// The number of the last invalidation of any of `tags`; 0 if there was none.
    fn tags<'a>(&'a self, tags: &'a [Arc<str>]) -> BoxFuture<'a, Result<u64, TierError>>;

    /// Asks for the lease of `key`, which ends by itself after `time`.
    fn lease<'a>(&'a self, key: &'a [u8], time: Duration) -> BoxFuture<'a, Result<Lease, TierError>>;

    /// Keeps `entry` for `life`, and gives the lease back; says no if `token` does not hold it any more.
    fn fill<'a>(
        &'a self,
        key: &'a [u8],
        token: u64,
        entry: Vec<u8>,
        life: Duration,
    ) -> BoxFuture<'a, Result<bool, TierError>>;

    /// Gives the lease back.
    fn release<'a>(&'a self, key: &'a [u8], token: u64) -> BoxFuture<'a, Result<(), TierError>>;

    /// Removes what `scope` says, with its leases, and tells all nodes in the name of `origin`.
    fn invalidate<'a>(&'a self, scope: &'a Scope<Bytes>, origin: u64)
    -> BoxFuture<'a, Result<(), TierError>>;

    /// The number of the last note.
    fn sequence(&self) -> BoxFuture<'_, Result<u64, TierError>>;

    /// Listens to all notes that are sent from now on.
    fn listen(&self) -> BoxFuture<'_, Result<Box<dyn Notes>, TierError>>;
}

/// Notes of other nodes, and one's own.
pub trait Notes: Send {
    /// The next one; `None` when no more will come. Safe to be dropped.
    fn next(&mut self) -> BoxFuture<'_, Option<Note>>;
}
