//! What makes a configuration of a policy wrong.

use crate::Policy;

/// A value that a policy cannot work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {field}: {problem}", policy.as_str())]
pub struct InvalidConfig {
    /// Whose configuration.
    pub policy: Policy,
    /// Which value.
    pub field: &'static str,
    /// What is wrong with it, and what it may be.
    pub problem: String,
}

impl InvalidConfig {
    /// That `field` of `policy` is wrong.
    pub(crate) fn new(policy: Policy, field: &'static str, problem: impl Into<String>) -> Self {
        Self { policy, field, problem: problem.into() }
    }

    /// Fails with `problem` unless `holds`.
    pub(crate) fn unless(
        holds: bool,
        policy: Policy,
        field: &'static str,
        problem: &str,
    ) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self::new(policy, field, problem)) }
    }
}
