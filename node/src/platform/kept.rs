//! What outlives a version of the configuration: the policies of routes keep what they know, their caches what they keep,
//! TLS towards services keeps its connections, and what was found under a name is known until something else is.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use mamparo_balance::Endpoint;
use mamparo_config::{ClientRateLimit, Config, Route, Service, ServiceProtocol};
use mamparo_context::Clock;
use mamparo_http_cache::{HttpCache, HttpCacheConfig};
use mamparo_policy::hedge::HedgeConfig;
use mamparo_policy::rate_limit::KeyedRateLimitConfig;
use mamparo_policy::retry::{Retry, RetryConfig};
use mamparo_policy::shed::{Files, Guard, GuardConfig, Signal};
use mamparo_policy::stack::{AdmissionConfig, Stack};
use mamparo_proxy::{ClientQuota, Speaks, Transport, VerifiedTls};
use mamparo_tls::{UpstreamTls, UpstreamTlsConfig};
use tokio::task::AbortHandle;

use super::metrics::Quota;
use super::routing::{key, unusable};
use crate::failure::Failure;

/// The endpoints that names were found to have, by name.
pub(crate) type Found = Arc<Mutex<HashMap<String, Vec<Endpoint>>>>;

/// What is in force.
#[derive(Default)]
pub(crate) struct Known {
    /// The policies, by the name of their route.
    stacks: HashMap<String, (Policies, Arc<Stack>)>,
    /// What each client may ask for, by the name of the route and what it is called there.
    quotas: BTreeMap<(String, String), (KeyedRateLimitConfig, Arc<ClientQuota>)>,
    /// What watches the machine.
    guard: Option<(GuardConfig, Arc<Watched>)>,
    /// The caches, by the name of their route.
    caches: HashMap<String, (HttpCacheConfig, HttpCache)>,
    /// When requests are sent again, by the name of their route.
    retries: HashMap<String, Arc<Retry>>,
    /// TLS, by the name of the service.
    tls: HashMap<String, (UpstreamTlsConfig, VerifiedTls)>,
    found: Found,
}

/// The policies of a route, as they are written.
type Policies = (Option<Box<AdmissionConfig>>, Option<HedgeConfig>);

fn policies(route: &Route) -> Option<Policies> {
    let policies = (route.policies.clone(), route.hedge);
    (policies != (None, None)).then_some(policies)
}

/// The rate limits of clients of a route, each with what it is called: how it tells them apart, with a number behind it
/// where one before it does so too.
pub(crate) fn named(route: &Route) -> impl Iterator<Item = (String, &ClientRateLimit)> {
    let limits = &route.rate_limits;
    limits.iter().enumerate().map(move |(number, own)| {
        match limits.iter().take(number).filter(|other| other.by == own.by).count() {
            0 => (own.by.to_string(), own),
            before => (format!("{} #{}", own.by, before + 1), own),
        }
    })
}

/// A guard of the machine, whose figures are read as long as somebody has it.
struct Watched {
    guard: Arc<Guard>,
    reading: AbortHandle,
}

impl Watched {
    fn open(config: GuardConfig) -> Result<Self, Failure> {
        let guard = Arc::new(guard(config)?);
        let reading = tokio::spawn(guard.watch(Clock::system())).abort_handle();
        Ok(Self { guard, reading })
    }
}

fn guard(config: GuardConfig) -> Result<Guard, Failure> {
    let guard = Guard::open(config, Files::default(), Clock::system().moment());
    guard.map_err(|error| Failure::config_unusable(error, "correct `gateway.guard`, or leave it out"))
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Known {
    /// Whether the machine can be watched as `next` says.
    pub(crate) fn can_watch(&self, next: &Config) -> Result<(), Failure> {
        match (next.gateway.guard, &self.guard) {
            (Some(config), Some((same, _))) if *same == config => Ok(()),
            (Some(config), _) => guard(config).map(drop),
            (None, _) => Ok(()),
        }
    }

    /// The policies of routes, in the order of their names.
    pub(crate) fn policies(&self) -> Vec<Arc<Stack>> {
        let mut all: Vec<_> = self.stacks.values().map(|(_, stack)| Arc::clone(stack)).collect();
        all.sort_by(|a, b| a.name().cmp(b.name()));
        all
    }

    /// What clients of routes may ask for.
    pub(crate) fn quotas(&self) -> Vec<Quota> {
        let quota =
            |((route, name), (_, quota)): (&(String, String), &(KeyedRateLimitConfig, Arc<ClientQuota>))| {
                (route.clone(), name.clone(), Arc::clone(quota))
            };
        self.quotas.iter().map(quota).collect()
    }

    /// TLS towards all services that have it.
    pub(crate) fn tls(&self) -> Vec<Arc<UpstreamTls>> {
        self.tls.values().map(|(_, tls)| Arc::clone(tls.tls())).collect()
    }

    pub(crate) fn found(&self) -> &Found {
        &self.found
    }

    /// Whether policies that are in force change when `next` is.
    pub(crate) fn changes_in_place(&self, next: &Config) -> bool {
        let changes = |route: &Route| match (policies(route), self.stacks.get(&route.name)) {
            (Some(next), Some((own, _))) => next != *own,
            _ => false,
        };
        let quotas = |route: &Route| {
            { named(route) }.any(|(name, next)| {
                let own = self.quotas.get(&(route.name.clone(), name));
                own.is_some_and(|(own, _)| *own != next.limit)
            })
        };
        // Policies that go by the machine go by another guard then.
        let guard = self.guard.as_ref().map(|(config, _)| *config);
        let watches = guard != next.gateway.guard && !self.stacks.is_empty();
        watches || next.gateway.routes.iter().any(|route| changes(route) || quotas(route))
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

    /// Watches the machine, where `config` says so, for the policies that are given from now on.
    pub(crate) fn guard(&mut self, config: Option<GuardConfig>) -> Result<(), Failure> {
        let Some(config) = config.filter(|_| self.gives) else { return Ok(()) };
        let watched = match &self.known.guard {
            Some((same, watched)) if *same == config => Arc::clone(watched),
            _ => Arc::new(Watched::open(config)?),
        };
        self.next.guard = Some((config, watched));
        Ok(())
    }

    /// Gives no policies, and changes none: for whoever only wants to know whether everything fits together.
    pub(crate) fn none(known: &'k Known) -> Self {
        Self { gives: false, ..Self::after(known) }
    }

    /// The policies of a route; their metrics bear its name.
    pub(crate) fn stack(&mut self, route: &Route) -> Result<Option<Arc<Stack>>, Failure> {
        let Some(config) = policies(route).filter(|_| self.gives) else { return Ok(None) };
        let is_same_guard = match (&self.known.guard, &self.next.guard) {
            (Some((_, known)), Some((_, next))) => Arc::ptr_eq(known, next),
            (known, next) => known.is_none() && next.is_none(),
        };
        let name = &route.name;
        let stack = match self.known.stacks.get(name) {
            Some((same, stack)) if *same == config && is_same_guard => Arc::clone(stack),
            known => {
                let (admission, hedge) = config.clone();
                let mut next =
                    Stack::gateway(name).config(admission.map(|own| *own).unwrap_or_default()).hedge(hedge);
                if let Some((_, watched)) = &self.next.guard {
                    next = next.signal(Arc::clone(&watched.guard) as Arc<dyn Signal>);
                }
                let built = match known {
                    Some((_, stack)) => next.build_after(stack),
                    None => next.build(),
                };
                Arc::new(built.map_err(unusable)?)
            }
        };
        self.next.stacks.insert(name.clone(), (config, Arc::clone(&stack)));
        Ok(Some(stack))
    }

    /// What each client of the route `route` may ask for, by the rate limit that is [called](named) so. What they have asked
    /// for is known as long as it is.
    pub(crate) fn quota(
        &mut self,
        route: &str,
        name: String,
        config: &ClientRateLimit,
    ) -> Result<Arc<ClientQuota>, Failure> {
        let place = (route.to_owned(), name);
        let quota = match self.known.quotas.get(&place) {
            Some((same, quota)) if *same == config.limit || !self.gives => Arc::clone(quota),
            Some((_, quota)) => {
                quota.reconfigure(config.limit, Clock::system().moment()).map_err(unusable)?;
                Arc::clone(quota)
            }
            None => Arc::new(ClientQuota::new(key(&config.by)?, config.limit).map_err(unusable)?),
        };
        self.next.quotas.insert(place, (config.limit, Arc::clone(&quota)));
        Ok(quota)
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
    use mamparo_policy::breaker::BreakerState;

    use super::*;

    #[test]
    fn what_stays_is_the_same_and_what_changes_keeps_what_it_knows() {
        let route = |name: &str, text: &str| {
            let text = format!(
                "version: 1\nservices: {{a: {{address: '127.0.0.1:1'}}}}\ngateway: {{routes: [{{name: {name}, \
                 match: {{}}, service: a, public: true, {text}}}]}}"
            );
            mamparo_config::check(&text, "f").unwrap().gateway.routes.remove(0)
        };
        let breaks = "policies: {breaker: {}}";
        let empty = Known::default();
        let mut stacks = Kept::after(&empty);
        let [a, b] = ["a", "b"].map(|name| stacks.stack(&route(name, breaks)).unwrap().unwrap());
        let known = stacks.into_known();
        b.breaker().unwrap().force_open();

        let mut stacks = Kept::after(&known);
        assert!(Arc::ptr_eq(&a, &stacks.stack(&route("a", breaks)).unwrap().unwrap()));
        let wider = "policies: {breaker: {}, bulkhead: {calls: 2}}, hedge: {}";
        let other = stacks.stack(&route("b", wider)).unwrap().unwrap();
        assert_eq!(other.breaker().unwrap().state(), BreakerState::ForcedOpen);
        assert!(other.bulkhead().is_some() && other.hedge().is_some());
        let fresh = stacks.stack(&route("c", breaks)).unwrap().unwrap();
        assert_eq!(fresh.breaker().unwrap().state(), BreakerState::Closed);
        assert!(Kept::none(&known).stack(&route("a", breaks)).unwrap().is_none());
    }

    #[test]
    fn another_guard_is_a_change_of_the_policies_that_go_by_it() {
        let with = |guard: &str| {
            let text = format!(
                "version: 1\nservices: {{a: {{address: '127.0.0.1:1'}}}}\ngateway: {{{guard} routes: [{{match: {{}}, \
                 service: a, public: true, policies: {{shed: {{}}, adaptive: {{}}}}}}]}}"
            );
            mamparo_config::check(&text, "f").unwrap()
        };
        let empty = Known::default();
        let config = with("");
        let mut stacks = Kept::after(&empty);
        stacks.stack(&config.gateway.routes[0]).unwrap();
        let known = stacks.into_known();
        assert!(!known.changes_in_place(&config));
        assert!(known.changes_in_place(&with("guard: {memory: 0.9},")));
        assert!(known.can_watch(&with("guard: {memory: 0.9},")).is_ok());
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
