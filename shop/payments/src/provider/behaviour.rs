//! How the provider misbehaves, and what becomes of one request: pure, given a drawn number.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the provider behaves. Healthy by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// How long an answer takes, in milliseconds.
    pub latency_ms: u64,
    /// Requests in a hundred that are refused without effect.
    pub error_percent: u8,
    /// Requests in a hundred that take effect and are never answered.
    pub timeout_percent: u8,
    /// Refuses everything.
    pub down: bool,
}

/// Percentages that come to more than a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error_percent and timeout_percent come to more than 100, or latency_ms to more than 60000")]
pub struct InvalidBehaviour;

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    Refused,
    Unanswered,
}

impl Behaviour {
    /// Whether it makes sense.
    ///
    /// # Errors
    /// It does not.
    pub fn check(self) -> Result<Self, InvalidBehaviour> {
        let percent = u32::from(self.error_percent) + u32::from(self.timeout_percent);
        if percent <= 100 && self.latency_ms <= 60_000 { Ok(self) } else { Err(InvalidBehaviour) }
    }

    /// How long an answer takes.
    pub fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms)
    }

    /// What becomes of a request for which `drawn`, from `0..100`, was drawn.
    pub(crate) fn fate(&self, drawn: u64) -> Fate {
        let errors = u64::from(self.error_percent);
        match drawn {
            _ if self.down => Fate::Refused,
            drawn if drawn < errors => Fate::Refused,
            drawn if drawn < errors + u64::from(self.timeout_percent) => Fate::Unanswered,
            _ => Fate::Answered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentages_are_kept() {
        let behaviour = Behaviour { error_percent: 10, timeout_percent: 5, ..Behaviour::default() };
        let count = |fate| (0..100).filter(|drawn| behaviour.fate(*drawn) == fate).count();
        assert_eq!((count(Fate::Refused), count(Fate::Unanswered), count(Fate::Answered)), (10, 5, 85));
        assert_eq!(Behaviour { down: true, ..behaviour }.fate(99), Fate::Refused);
        assert_eq!(Behaviour::default().fate(0), Fate::Answered);
        assert_eq!(
            Behaviour { error_percent: 96, timeout_percent: 5, ..behaviour }.check(),
            Err(InvalidBehaviour)
        );
    }
}
