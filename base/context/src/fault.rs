//! What a failure means to whoever must decide about it: where it arose, and whether trying again can help.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where a failure arose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The caller asked for something that cannot be: the same request fails again.
    Caller,
    /// Something that this process depends on.
    Upstream,
    /// This process itself.
    Internal,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// It cannot.
    Never,
    /// It can, at once (within the budget).
    Now,
    /// It can, not before this time has passed.
    After(Duration),
}

/// What a failure means, whatever its type. Retry, breaker, relay and consumer act on this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fault {
    /// Where it arose.
    pub origin: Origin,
    /// Whether trying again can help.
    pub retry: Retry,
    /// Whether the work may have taken effect although it failed. Such work is repeated only when that is
    /// harmless, or under the same idempotency key.
    pub indeterminate: bool,
}

impl Fault {
    /// A request that is wrong in itself.
    pub const fn caller() -> Self {
        Self { origin: Origin::Caller, retry: Retry::Never, indeterminate: false }
    }

    /// A dependency that failed before it took effect, and may do better at once.
    pub const fn upstream() -> Self {
        Self { origin: Origin::Upstream, retry: Retry::Now, indeterminate: false }
    }

    /// A failure of this process.
    pub const fn internal() -> Self {
        Self { origin: Origin::Internal, retry: Retry::Never, indeterminate: false }
    }

    /// The same fault, to be tried again not before `after` has passed.
    #[must_use]
    pub const fn retry_after(mut self, after: Duration) -> Self {
        self.retry = Retry::After(after);
        self
    }

    /// The same fault, of which nobody knows whether the work took effect.
    #[must_use]
    pub const fn indeterminate(mut self) -> Self {
        self.indeterminate = true;
        self
    }

    /// Whether trying again can help at all.
    pub const fn is_transient(&self) -> bool {
        !matches!(self.retry, Retry::Never)
    }
}
