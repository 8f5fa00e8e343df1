//! Deadline and timeout: by when a call must be answered, and by when one attempt of it.
#![doc = include_str!("../../../docs/policies/timeout.md")]

mod layer;

use std::time::Duration;

pub use layer::{TimeoutFuture, TimeoutLayer, TimeoutService};
use mamparo_context::{Context, Deadline, Moment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{InvalidConfig, duration_schema, optional_duration_schema};
use crate::{Policy, Reason, Refusal};

/// By when a call must be answered, and by when one attempt of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutConfig {
    /// The whole call: waiting, attempts and pauses between them. The deadline that the caller set may make it
    /// shorter, never longer.
    #[serde(with = "mamparo_context::duration::option")]
    #[schemars(schema_with = "optional_duration_schema")]
    pub overall: Option<Duration>,
    /// One attempt.
    #[serde(with = "mamparo_context::duration::option")]
    #[schemars(schema_with = "optional_duration_schema")]
    pub attempt: Option<Duration>,
    /// No attempt begins when less time than this is left: it would only be work for nobody.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub minimum: Duration,
}

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self { overall: Some(Duration::from_secs(10)), attempt: None, minimum: Duration::from_millis(1) }
    }
}

impl TimeoutConfig {
    /// No timeout but the caller's.
    pub const NONE: Self = Self { overall: None, attempt: None, minimum: Duration::ZERO };

    /// Whether it can be kept.
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let unless = |holds, field, problem| InvalidConfig::unless(holds, Policy::Timeout, field, problem);
        unless(self.overall != Some(Duration::ZERO), "overall", "longer than nothing")?;
        unless(self.attempt != Some(Duration::ZERO), "attempt", "longer than nothing")?;
        let longest = self.overall.unwrap_or(Duration::MAX);
        unless(self.attempt.is_none_or(|attempt| attempt <= longest), "attempt", "not longer than overall")?;
        let shortest = self.attempt.unwrap_or(longest);
        unless(self.minimum < shortest, "minimum", "shorter than an attempt and than the whole")
    }

    /// By when the whole call must be answered that begins at `now`: the earlier of its own deadline and ours.
    #[inline]
    pub fn overall_until(&self, cx: &Context, now: Moment) -> Option<Moment> {
        let inherited = cx.deadline().map(Deadline::moment);
        match (inherited, self.overall) {
            (Some(inherited), Some(overall)) => Some(inherited.min(now + overall)),
            (Some(inherited), None) => Some(inherited),
            (None, Some(overall)) => Some(now + overall),
            (None, None) => None,
        }
    }

    /// By when an attempt must be answered that begins at `now` within a call that ends at `until`.
    ///
    /// # Errors
    /// Too little time is left, or none.
    #[inline]
    pub fn attempt_until(&self, until: Option<Moment>, now: Moment) -> Result<Option<Moment>, Refusal> {
        let own = self.attempt.map(|attempt| now + attempt);
        let Some(until) = until else { return Ok(own) };
        if now >= until {
            return Err(Refusal::new(Policy::Timeout, Reason::DeadlinePassed));
        }
        if until.since(now) < self.minimum {
            return Err(Refusal::new(Policy::Timeout, Reason::TooLittleTime));
        }
        Ok(Some(own.map_or(until, |own| own.min(until))))
    }
}

#[cfg(test)]
mod tests {
    use mamparo_context::Clock;

    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_deadline_is_the_earlier_of_the_inherited_and_the_own() {
        let (clock, _) = Clock::manual();
        let now = clock.moment();
        for (inherited, own, expected) in [
            (None, None, None),
            (Some(50), None, Some(50)),
            (None, Some(70), Some(70)),
            (Some(50), Some(70), Some(50)),
            (Some(90), Some(70), Some(70)),
        ] {
            let cx = match inherited {
                Some(inherited) => Context::root().with_timeout(&clock, millis(inherited)),
                None => Context::root(),
            };
            let config = TimeoutConfig { overall: own.map(millis), ..TimeoutConfig::NONE };
            assert_eq!(config.overall_until(&cx, now), expected.map(|expected| now + millis(expected)));
        }
    }

    #[test]
    fn no_attempt_begins_for_nobody() {
        let config = TimeoutConfig { overall: None, attempt: Some(millis(30)), minimum: millis(5) };
        let now = Moment::ZERO + millis(100);
        let until = |left: u64| Some(now + millis(left));
        let refused = |until| config.attempt_until(until, now).map_err(|refusal| refusal.reason);
        assert_eq!(refused(None), Ok(until(30)));
        assert_eq!(refused(until(50)), Ok(until(30)));
        assert_eq!(refused(until(20)), Ok(until(20)));
        assert_eq!(refused(until(5)), Ok(until(5)));
        assert_eq!(refused(until(4)), Err(Reason::TooLittleTime));
        assert_eq!(refused(until(0)), Err(Reason::DeadlinePassed));
        assert_eq!(refused(Some(Moment::ZERO)), Err(Reason::DeadlinePassed));
    }

    #[test]
    fn what_cannot_be_kept_names_its_field() {
        let field = |config: TimeoutConfig| config.check().map_err(|error| error.field);
        let config =
            TimeoutConfig { overall: Some(millis(100)), attempt: Some(millis(30)), minimum: millis(5) };
        assert_eq!(field(config), Ok(()));
        assert_eq!(field(TimeoutConfig { overall: Some(Duration::ZERO), ..config }), Err("overall"));
        assert_eq!(field(TimeoutConfig { attempt: Some(millis(101)), ..config }), Err("attempt"));
        assert_eq!(field(TimeoutConfig { minimum: millis(30), ..config }), Err("minimum"));
        assert_eq!(field(TimeoutConfig::NONE), Ok(()));
    }
}
