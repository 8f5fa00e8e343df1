//! What a call came to, in the few words that policies act on.

use std::time::Duration;

use mamparo_context::{Fault, Origin, Retry};

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered as it should be.
    Success,
    /// It failed.
    Failure(Fault),
    /// It was answered that there is too much to do (429, `RESOURCE_EXHAUSTED`): the dependency works, and asks for
    /// less.
    BackPressure(Fault),
}

/// What an outcome says about whoever was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It works.
    Good,
    /// It does not.
    Bad,
    /// Nothing: the failure is our own, or it asks for less.
    Unknown,
}

impl Outcome {
    /// What it says about whoever was asked. A request that is wrong in itself was answered by somebody who works.
    pub const fn health(&self) -> Health {
        match self {
            Self::Success => Health::Good,
            Self::BackPressure(_) => Health::Unknown,
            Self::Failure(fault) => match fault.origin {
                Origin::Caller => Health::Good,
                Origin::Upstream => Health::Bad,
                Origin::Internal => Health::Unknown,
            },
        }
    }

    /// What failed, if anything did.
    pub const fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Success => None,
            Self::Failure(fault) | Self::BackPressure(fault) => Some(fault),
        }
    }

    /// How long whoever was asked wants to be left alone, if it said so.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.fault() {
            Some(Fault { retry: Retry::After(after), .. }) => Some(*after),
            _ => None,
        }
    }

    /// The outcome of a result whose error says what it means.
    pub fn of<T, E: ToFault>(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Success,
            Err(error) => Self::Failure(error.fault()),
        }
    }
}

/// An error that says what it means to a policy.
pub trait ToFault {
    /// What it means.
    fn fault(&self) -> Fault;
}

impl ToFault for std::convert::Infallible {
    fn fault(&self) -> Fault {
        match *self {}
    }
}

/// Says what a result means to a policy. A function `Fn(&R) -> Outcome` is one, such as [`Outcome::of`].
pub trait Classify<R> {
    /// What it means.
    fn classify(&self, result: &R) -> Outcome;
}

impl<R, F: Fn(&R) -> Outcome> Classify<R> for F {
    fn classify(&self, result: &R) -> Outcome {
        self(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_told_by_where_the_failure_arose() {
        let busy = Fault::upstream().retry_after(Duration::from_secs(3));
        for (outcome, health, after) in [
            (Outcome::Success, Health::Good, None),
            (Outcome::Failure(Fault::caller()), Health::Good, None),
            (Outcome::Failure(Fault::upstream()), Health::Bad, None),
            (Outcome::Failure(Fault::internal()), Health::Unknown, None),
            (Outcome::BackPressure(busy), Health::Unknown, Some(Duration::from_secs(3))),
        ] {
            assert_eq!((outcome.health(), outcome.retry_after()), (health, after), "{outcome:?}");
        }
    }
}
