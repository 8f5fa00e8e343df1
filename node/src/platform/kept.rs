//! What outlives a version of the configuration: the policies of routes keep what they know, their caches what they keep,
//! TLS towards services keeps its connections, and what was found under a name is known until something else is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mamparo_balance::Endpoint;
use mamparo_config::{Config, Route, Service, ServiceProtocol};
use mamparo_context::Clock;
use mamparo_http_cache::{HttpCache, HttpCacheConfig};
use mamparo_policy::retry::{Retry, RetryConfig};
use mamparo_policy::stack::{AdmissionConfig, ClientConfig, Stack};
use mamparo_proxy::{Speaks, Transport, VerifiedTls};
use mamparo_tls::{UpstreamTls, UpstreamTlsConfig};

use super::routing::unusable;
use crate::failure::Failure;

/// The endpoints that names were found to have, by name.
pub(crate) type Found = Arc<Mutex<HashMap<String, Vec<Endpoint>>>>;

/// What is in force.
#[derive(Default)]
pub(crate) struct Known {
    /// The policies, by the name of their route.
    stacks: HashMap<String, (AdmissionConfig, Arc<Stack>)>,
    /// The caches, by the name of their route.
    caches: HashMap<String, (HttpCacheConfig, HttpCache)>,
    /// When requests are sent again, by the name of their route.
    retries: HashMap<String, Arc<Retry>>,
    /// TLS, by the name of the service.
    tls: HashMap<String, (UpstreamTlsConfig, VerifiedTls)>,
    found: Found,
}

impl Known {
    /// TLS towards all services that have it.
    pub(crate) fn tls(&self) -> Vec<Arc<UpstreamTls>> {
        self.tls.values().map(|(_, tls)| Arc::clone(tls.tls())).collect()
    }

    pub(crate) fn found(&self) -> &Found {
        &self.found
    }

    /// Whether policies that are in force change when `next` is.
    pub(crate) fn changes_in_place(&self, next: &Config) -> bool {
        let changes = |route: &Route| match (&route.policies, self.stacks.get(&route.name)) {
            (Some(next), Some((own, _))) => next != own,
            _ => false,
        };
        next.gateway.routes.iter().any(changes)
    }
}

/// Gives each route and each service of the next version what it keeps.
pub(crate) struct Kept<'k> {
    known: &'k Known,
    next: Known,
    /// Whether policies are given: they change in place.
    gives: bool,
}

impl<'k> Kept<'k> {
    /// What is in `known` is kept or changed, the rest is new.
    pub(crate) fn after(known: &'k Known) -> Self {
        Self { known, next: Known { found: Arc::clone(&known.found), ..Known::default() }, gives: true }
    }

    /// Gives no policies, and changes none: for whoever only wants to know whether everything fits together.
    pub(crate) fn none(known: &'k Known) -> Self {
        Self { gives: false, ..Self::after(known) }
    }

    /// The policies of the route `route`; their metrics bear its name.
    pub(crate) fn stack(
        &mut self,
        route: &str,
        config: &AdmissionConfig,
    ) -> Result<Option<Arc<Stack>>, Failure> {
        if !self.gives {
            return Ok(None);
        }
        let stack = match self.known.stacks.get(route) {
            Some((same, stack)) if same == config => Arc::clone(stack),
            Some((_, stack)) => {
                let changed = stack.reconfigured(&ClientConfig::from(config.clone()));
                Arc::new(changed.map_err(unusable)?)
            }
            None => Arc::new(Stack::client(route).config(config.clone().into()).build().map_err(unusable)?),
        };
        self.next.stacks.insert(route.to_owned(), (config.clone(), Arc::clone(&stack)));
        Ok(Some(stack))
    }

    /// The cache of the route `route`; one whose configuration changes begins empty.
    pub(crate) fn cache(
        &mut self,
        route: &str,
        config: &HttpCacheConfig,
    ) -> Result<Option<HttpCache>, Failure> {
        if !self.gives {
            return Ok(None);
        }
        let cache = match self.known.caches.get(route) {
            Some((same, cache)) if same == config => cache.clone(),
            _ => HttpCache::new(route, config).map_err(unusable)?,
        };
        self.next.caches.insert(route.to_owned(), (config.clone(), cache.clone()));
        Ok(Some(cache))
    }

    /// When requests of the route `route` are sent again; its budget is that of before, unless it says something else.
    pub(crate) fn retry(&mut self, route: &str, config: RetryConfig) -> Result<Arc<Retry>, Failure> {
        let known = self.known.retries.get(route).filter(|known| *known.config() == config);
        let retry = match known {
            Some(retry) => Arc::clone(retry),
            None => Arc::new(Retry::new(config).map_err(unusable)?),
        };
        self.next.retries.insert(route.to_owned(), Arc::clone(&retry));
        Ok(retry)
    }

    /// How the service `name` is spoken to.
    pub(crate) fn transport(&mut self, name: &str, service: &Service) -> Result<Transport, Failure> {
        let speaks = match service.protocol {
            ServiceProtocol::Http1 => Speaks::Http1,
            ServiceProtocol::Http2 => Speaks::Http2,
        };
        let Some(config) = &service.tls else { return Ok(Transport { speaks, tls: None }) };
        let tls = match self.known.tls.get(name) {
            Some((same, tls)) if same == config => tls.clone(),
            _ => {
                let loaded = UpstreamTls::load(config, &Clock::system());
                let loaded = loaded.map_err(|error| {
                    let what = format!("TLS towards the service `{name}` cannot be used: {error}");
                    Failure::config_unusable(what, &format!("correct `services.{name}.tls`"))
                })?;
                VerifiedTls::new(Arc::new(loaded), name)
            }
        };
        self.next.tls.insert(name.to_owned(), (config.clone(), tls.clone()));
        Ok(Transport { speaks, tls: Some(tls) })
    }

    /// The endpoints that `name` was found to have last.
    pub(crate) fn found(&self, name: &str) -> Vec<Endpoint> {
        let found = self.known.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(name).cloned().unwrap_or_default()
    }

    /// What is in force when the next version is.
    pub(crate) fn into_known(self) -> Known {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use mamparo_http_cache::Purge;
    use mamparo_policy::breaker::{BreakerConfig, BreakerState};
    use mamparo_policy::bulkhead::BulkheadConfig;

    use super::*;

    #[test]
    fn what_stays_is_the_same_and_what_changes_keeps_what_it_knows() {
        let config =
            AdmissionConfig { breaker: Some(BreakerConfig::default()), ..AdmissionConfig::default() };
        let empty = Known::default();
        let mut stacks = Kept::after(&empty);
        let [a, b] = ["a", "b"].map(|name| stacks.stack(name, &config).unwrap().unwrap());
        let known = stacks.into_known();
        b.breaker().unwrap().force_open();

        let mut stacks = Kept::after(&known);
        assert!(Arc::ptr_eq(&a, &stacks.stack("a", &config).unwrap().unwrap()));
        let wider = AdmissionConfig { bulkhead: Some(BulkheadConfig::of(2)), ..config.clone() };
        let other = stacks.stack("b", &wider).unwrap().unwrap();
        assert_eq!(other.breaker().unwrap().state(), BreakerState::ForcedOpen);
        assert!(other.bulkhead().is_some());
        let fresh = stacks.stack("c", &config).unwrap().unwrap();
        assert_eq!(fresh.breaker().unwrap().state(), BreakerState::Closed);
        assert!(Kept::none(&known).stack("a", &config).unwrap().is_none());
    }

    #[test]
    fn a_cache_stays_as_long_as_its_configuration_does() {
        let config = HttpCacheConfig::default();
        let larger = HttpCacheConfig { capacity_bytes: 128 << 20, ..config.clone() };
        let purges = |cache: &HttpCache| cache.counts().purges;
        let empty = Known::default();
        let mut keeping = Kept::after(&empty);
        let caches = ["a", "b"].map(|name| keeping.cache(name, &config).unwrap().unwrap());
        caches.iter().for_each(|cache| cache.purge(&Purge::All).unwrap());
        let known = keeping.into_known();
        let mut keeping = Kept::after(&known);
        assert_eq!(purges(&keeping.cache("a", &config).unwrap().unwrap()), 1);
        assert_eq!(purges(&keeping.cache("b", &larger).unwrap().unwrap()), 0);
        assert!(Kept::none(&known).cache("a", &config).unwrap().is_none());
    }
}
