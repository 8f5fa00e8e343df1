//! The policies of the routes from one version of the configuration to the next: those that stay keep what they know.

use std::collections::HashMap;
use std::sync::Arc;

use mamparo_policy::stack::{AdmissionConfig, ClientConfig, Stack};

use super::routing::unusable;
use crate::failure::Failure;

/// The policies in force, by the name of their route.
pub(crate) type Known = HashMap<String, (AdmissionConfig, Arc<Stack>)>;

/// Gives each route of the next version its policies.
pub(crate) struct Stacks<'k> {
    known: &'k Known,
    next: Option<Known>,
}

impl<'k> Stacks<'k> {
    /// Those that are in `known` are kept or changed, the others are new.
    pub(crate) fn after(known: &'k Known) -> Self {
        Self { known, next: Some(Known::new()) }
    }

    /// Gives none, and changes none: for whoever only wants to know whether the routes fit together.
    pub(crate) fn none(known: &'k Known) -> Self {
        Self { known, next: None }
    }

    /// The policies of the route `route`; their metrics bear its name.
    pub(crate) fn of(
        &mut self,
        route: &str,
        config: &AdmissionConfig,
    ) -> Result<Option<Arc<Stack>>, Failure> {
        let Some(next) = &mut self.next else { return Ok(None) };
        let stack = match self.known.get(route) {
            Some((same, stack)) if same == config => Arc::clone(stack),
            Some((_, stack)) => {
                let changed = stack.reconfigured(&ClientConfig::from(config.clone()));
                Arc::new(changed.map_err(unusable)?)
            }
            None => Arc::new(Stack::client(route).config(config.clone().into()).build().map_err(unusable)?),
        };
        next.insert(route.to_owned(), (config.clone(), Arc::clone(&stack)));
        Ok(Some(stack))
    }

    /// The policies that are in force when the next version is.
    pub(crate) fn into_known(self) -> Known {
        self.next.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use mamparo_policy::breaker::{BreakerConfig, BreakerState};
    use mamparo_policy::bulkhead::BulkheadConfig;

    use super::*;

    #[test]
    fn what_stays_is_the_same_and_what_changes_keeps_what_it_knows() {
        let config =
            AdmissionConfig { breaker: Some(BreakerConfig::default()), ..AdmissionConfig::default() };
        let empty = Known::new();
        let mut stacks = Stacks::after(&empty);
        let [a, b] = ["a", "b"].map(|name| stacks.of(name, &config).unwrap().unwrap());
        let known = stacks.into_known();
        b.breaker().unwrap().force_open();

        let mut stacks = Stacks::after(&known);
        assert!(Arc::ptr_eq(&a, &stacks.of("a", &config).unwrap().unwrap()));
        let wider = AdmissionConfig { bulkhead: Some(BulkheadConfig::of(2)), ..config.clone() };
        let other = stacks.of("b", &wider).unwrap().unwrap();
        assert_eq!(other.breaker().unwrap().state(), BreakerState::ForcedOpen);
        assert!(other.bulkhead().is_some());
        let fresh = stacks.of("c", &config).unwrap().unwrap();
        assert_eq!(fresh.breaker().unwrap().state(), BreakerState::Closed);
        assert!(Stacks::none(&known).of("a", &config).unwrap().is_none());
    }
}
