//! The time of a decision, as its caller read it: by the clock that never jumps, and by that of the wall.

use mamparo_context::{Clock, Moment, Timestamp};

/// A moment on both clocks. Ages are reckoned with the first; what headers say is compared with the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// Monotonic.
    pub now: Moment,
    /// Of the wall.
    pub wall: Timestamp,
}

impl When {
    /// What `clock` says.
    pub fn of(clock: &Clock) -> Self {
        Self { now: clock.moment(), wall: clock.wall() }
    }
}
