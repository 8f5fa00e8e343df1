//! The limits of this crate: nothing that a policy keeps grows without a bound.

use std::time::Duration;

/// Longest time that a dependency may ask to be left alone; what asks for more is cut to it.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
