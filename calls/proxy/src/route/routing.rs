//! A routing table that was checked, and the endpoints of the services it leads to. It never changes: another
//! one takes its place.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use http::Request;
use mamparo_balance::{Balancer, Endpoint, InvalidConfig};
use mamparo_context::Moment;
use mamparo_http_cache::HttpCache;
use mamparo_tls::proxy_protocol::TrustedPeers;
use mamparo_transform::forwarded::Forwarded;

use super::cell::{Asked, Clash};
use super::check::{CheckedRoute, check};
use super::entrance::{Entrance, Passage};
use super::paths::Unfit;
use super::table::{Found, Table};
use super::{RequestKey, Route, Settings, Upstream, find};
use crate::options::Door;
use crate::origin::Origins;
use crate::respond::Taken;
use crate::transport::Transport;

/// Routes and services that fit each other. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    routes: Arc<[CheckedRoute]>,
    table: Arc<Table>,
    services: Vec<Arc<Service>>,
    by_name: Arc<HashMap<Arc<str>, usize>>,
    origins: Arc<Origins>,
    entrance: Arc<Entrance>,
}

/// Why routes and services do not fit each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoutingError {
    /// Two routes take the same requests.
    #[error("routes {first:?} and {second:?} take the same requests")]
    Ambiguous {
        /// The one that stands first.
        first: String,
        /// The other.
        second: String,
    },
    /// Two routes have the same name.
    #[error("there are two routes of the name {0:?}")]
    RouteTwice(String),
    /// Two services have the same name.
    #[error("there are two services of the name {0:?}")]
    ServiceTwice(String),
    /// A name that cannot stand in a host.
    #[error("{0:?} is no name of a service: letters, digits and hyphens, in lower case")]
    ServiceName(String),
    /// A route leads to a service that is not there.
    #[error("route {route:?} leads to the service {service:?}, which is not there")]
    UnknownService {
        /// The route.
        route: String,
        /// The service.
        service: String,
    },
    /// A path that no request can have, because paths are written in another way before they are compared.
    #[error("route {route:?}: {path:?} is not a path in its normal form, such as /orders")]
    Path {
        /// The route.
        route: String,
        /// The path.
        path: String,
    },
    /// A service that does not hold by itself.
    #[error("service {service:?}: {what}")]
    Service {
        /// The service.
        service: String,
        /// What is wrong with it.
        what: String,
    },
    /// A route that does not hold by itself.
    #[error("route {route:?}: {what}")]
    Route {
        /// The route.
        route: String,
        /// What is wrong with it.
        what: String,
    },
    /// Connections are passed on to a service that is not there.
    #[error("connections are passed on to the service {0:?}, which is not there")]
    PassedNowhere(String),
    /// Connections for one host are passed on to two services.
    #[error("connections for {0} are passed on twice")]
    PassedTwice(String),
}

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: Arc<str>,
    pub(crate) settings: Settings,
    pub(crate) transport: Transport,
    pub(crate) key: Option<RequestKey>,
    pub(crate) balancer: Balancer,
}

impl Service {
    fn new(upstream: Upstream, name: Arc<str>) -> Result<Self, RoutingError> {
        let Upstream { endpoints, balance, key, transport, settings, .. } = upstream;
        let balancer = Balancer::new(balance, endpoints, Moment::ZERO);
        let balancer = balancer.map_err(|wrong| unfit(&name, &wrong))?;
        Ok(Self { name, settings, transport, key, balancer })
    }

    /// The same with other endpoints; what is known of those that stay is kept.
    fn with_endpoints(&self, endpoints: Vec<Endpoint>, now: Moment) -> Result<Self, InvalidConfig> {
        Ok(Self {
            balancer: self.balancer.with(self.balancer.config().clone(), endpoints, now)?,
            name: Arc::clone(&self.name),
            settings: self.settings.clone(),
            transport: self.transport.clone(),
            key: self.key.clone(),
        })
    }

    /// The same, going on with what `before` knows of its endpoints.
    fn after(&self, before: &Self, now: Moment) -> Result<Self, InvalidConfig> {
        let endpoints = self.balancer.endpoints().cloned().collect();
        Ok(Self {
            balancer: before.balancer.with(self.balancer.config().clone(), endpoints, now)?,
            name: Arc::clone(&self.name),
            settings: self.settings.clone(),
            transport: self.transport.clone(),
            key: self.key.clone(),
        })
    }
}

fn unfit(service: &str, wrong: &InvalidConfig) -> RoutingError {
    RoutingError::Service { service: service.to_owned(), what: wrong.to_string() }
}

impl Routing {
    /// Checks that these routes and services fit each other.
    ///
    /// # Errors
    /// The first thing found that does not fit.
    pub fn new(routes: Vec<Route>, upstreams: Vec<Upstream>) -> Result<Self, RoutingError> {
        let (services, by_name) = check_services(upstreams)?;
        let mut names = HashSet::with_capacity(routes.len());
        let (mut checked, mut takes) = (Vec::with_capacity(routes.len()), Vec::with_capacity(routes.len()));
        for route in routes {
            let (route, own) = check(route, &by_name, &services)?;
            if !names.insert(Arc::clone(&route.name)) {
                return Err(RoutingError::RouteTwice(route.name.to_string()));
            }
            checked.push(route);
            takes.push(own);
        }
        let name = |route: u32| checked.get(route as usize).map_or("", |checked| &checked.name).to_owned();
        let table = Table::new(&takes).map_err(|unfit| match unfit {
            Unfit::Clash(Clash { first, second }) => {
                RoutingError::Ambiguous { first: name(first), second: name(second) }
            }
            Unfit::Regexes { route, why } => RoutingError::Route { route: name(route), what: why.0 },
        })?;
        let (table, by_name, origins) = (Arc::new(table), Arc::new(by_name), Arc::default());
        let entrance = Arc::default();
        Ok(Self { routes: checked.into(), table, services, by_name, origins, entrance })
    }

    /// The same routing, with rules about who is believed where requests come from. Without them nobody is. Requests to
    /// names of the mesh never come from behind hops that are trusted.
    #[must_use]
    pub fn believing(self, rules: Forwarded) -> Self {
        Self { origins: Arc::new(Origins::new(rules)), ..self }
    }

    /// The same routing with rules for connections to the edge before anything in them is a request. Those from `peers`
    /// must begin with the PROXY protocol, and no others may. Those over TLS that `passages` describe are passed on.
    ///
    /// # Errors
    /// A host is passed on twice, or to a service that is not there.
    pub fn with_entrance(
        mut self,
        peers: TrustedPeers,
        passages: Vec<Passage>,
    ) -> Result<Self, RoutingError> {
        self.entrance = Arc::new(Entrance::new(peers, passages, |name| self.service_named(name))?);
        Ok(self)
    }

    /// The same routing with other endpoints for the service `name`; `None` when there is no such service. What is known
    /// of endpoints that stay is kept.
    ///
    /// # Errors
    /// There are more endpoints than a service may have, or one weighs too much.
    pub fn with_endpoints(
        &self,
        name: &str,
        endpoints: Vec<Endpoint>,
        now: Moment,
    ) -> Result<Option<Self>, RoutingError> {
        let Some(number) = self.by_name.get(name) else { return Ok(None) };
        let mut other = self.clone();
        if let Some(own) = other.services.get_mut(*number) {
            *own = Arc::new(own.with_endpoints(endpoints, now).map_err(|wrong| unfit(name, &wrong))?);
        }
        Ok(Some(other))
    }

    /// The same routing, going on with what `before` knows of the endpoints that both have.
    #[must_use]
    pub(crate) fn after(mut self, before: &Self, now: Moment) -> Self {
        for service in &mut self.services {
            let known = before.by_name.get(&service.name).and_then(|number| before.services.get(*number));
            // It was checked when it was made, so that nothing can be wrong with it here.
            if let Some(Ok(after)) = known.map(|known| service.after(known, now)) {
                *service = Arc::new(after);
            }
        }
        self
    }

    /// The route that takes a request.
    pub(crate) fn find(&self, asked: &Asked<'_>) -> Found {
        self.table.find(asked)
    }

    /// The name of the route that takes such a request at the edge; `draw` is 64 random bits, for where chance decides. A
    /// request whose path is in its normal form allocates nothing here as a rule.
    pub fn taker<B>(&self, request: &Request<B>, draw: u64) -> Option<&str> {
        match find(self, Door::Edge, request, || draw).ok()?.taken {
            Taken::Route(number, _) => self.routes.get(number).map(|route| &*route.name),
            Taken::Nothing | Taken::ByName(_) => None,
        }
    }

    pub(crate) fn entrance(&self) -> &Entrance {
        &self.entrance
    }

    /// The caches of its routes, to look at and to purge.
    pub fn caches(&self) -> Vec<HttpCache> {
        self.routes.iter().filter_map(|checked| checked.settings.cache.clone()).collect()
    }

    /// The settings of what took a request.
    pub(crate) fn settings(&self, taken: Taken) -> Option<&Settings> {
        match taken {
            Taken::Nothing => None,
            Taken::Route(number, _) => self.routes.get(number).map(|checked| &checked.settings),
            Taken::ByName(number) => self.services.get(number).map(|service| &service.settings),
        }
    }

    pub(crate) fn routes(&self) -> &[CheckedRoute] {
        &self.routes
    }

    pub(crate) fn origins(&self) -> &Origins {
        &self.origins
    }

    pub(crate) fn services(&self) -> &[Arc<Service>] {
        &self.services
    }

    pub(crate) fn has_endpoint(&self, service: usize) -> bool {
        self.services.get(service).is_some_and(|service| service.balancer.endpoints().len() > 0)
    }

    pub(crate) fn service_named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

type Services = (Vec<Arc<Service>>, HashMap<Arc<str>, usize>);

fn check_services(upstreams: Vec<Upstream>) -> Result<Services, RoutingError> {
    let mut services = Vec::with_capacity(upstreams.len());
    let mut by_name = HashMap::with_capacity(upstreams.len());
    for upstream in upstreams {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if upstream.name.is_empty() || upstream.name.len() > 63 || !upstream.name.bytes().all(letter) {
            return Err(RoutingError::ServiceName(upstream.name));
        }
        let name: Arc<str> = upstream.name.as_str().into();
        if by_name.insert(Arc::clone(&name), services.len()).is_some() {
            return Err(RoutingError::ServiceTwice(name.to_string()));
        }
        services.push(Arc::new(Service::new(upstream, name)?));
    }
    Ok((services, by_name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{
        Access, HeaderMatch, Match, Path, PathRewrite, Redirect, Services, Target, Wanted, Weighted,
    };

    fn route(name: &str, path: Path, target: Target) -> Route {
        let (access, settings) = (Access::Public, Settings::default());
        Route { name: name.into(), matches: vec![Match::path(path)], access, target, settings }
    }

    fn upstream(name: &str) -> Upstream {
        Upstream::new(name, &[])
    }

    fn error(routes: Vec<Route>, names: &[&str]) -> String {
        let upstreams = names.iter().map(|name| upstream(name)).collect();
        Routing::new(routes, upstreams).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let prefix = |name: &str, path: &str| route(name, Path::Prefix(path.into()), Target::service("s"));
        let to = |services: Services| route("a", Path::Prefix("/a".into()), Target::Services(services));
        let rewritten = |path: Path, to: PathRewrite| {
            let mut services = Services::one("s");
            services.rewrite.path = Some(to);
            route("a", path, Target::Services(services))
        };
        let exact = || Path::Exact("/a".into());
        let mut hop = Services::one("s");
        hop.rewrite.host = Some("a b".into());
        let mut odd = prefix("a", "/");
        let name = http::header::ACCEPT;
        odd.matches[0].headers.push(HeaderMatch { name, value: Wanted::Regex("[".into()) });
        let away =
            Redirect { scheme: None, host: None, port: None, path: None, status: http::StatusCode::OK };
        for (routes, text) in [
            (vec![prefix("a", "/a"), prefix("b", "/a/")], "routes \"a\" and \"b\" take the same requests"),
            (vec![prefix("a", "/a"), prefix("a", "/b")], "there are two routes of the name \"a\""),
            (vec![to(Services::one("t"))], "route \"a\" leads to the service \"t\", which is not there"),
            (
                vec![to(Services { failover: Some("u".into()), ..Services::one("s") })],
                "route \"a\" leads to the service \"u\", which is not there",
            ),
            (vec![to(Services::default())], "route \"a\": no service has a weight"),
            (
                vec![to(Services {
                    choice: vec![Weighted { name: "s".into(), weight: 0 }],
                    ..Services::default()
                })],
                "route \"a\": no service has a weight",
            ),
            (
                vec![prefix("a", "/a/../b")],
                "route \"a\": \"/a/../b\" is not a path in its normal form, such as /orders",
            ),
            (vec![prefix("a", "*")], "route \"a\": \"*\" is not a path in its normal form, such as /orders"),
            (
                vec![route("a", Path::Template("/{a".into()), Target::service("s"))],
                "route \"a\": \"/{a\" is no template: a variable is a whole segment",
            ),
            (
                vec![rewritten(exact(), PathRewrite::Prefix("/".into()))],
                "route \"a\": a prefix is to be replaced, but none is matched",
            ),
            (
                vec![rewritten(exact(), PathRewrite::Full("/{id}".into()))],
                "route \"a\": no template has the variable {id}",
            ),
            (
                vec![rewritten(Path::Template("/a/{id}".into()), PathRewrite::Full("/{ib}".into()))],
                "route \"a\": no template has the variable {ib}",
            ),
            (vec![to(hop)], "route \"a\": \"a b\" is no host"),
            (vec![odd], "route \"a\": \"[\" is no regular expression to try: unclosed character class"),
            (
                vec![route("a", exact(), Target::Redirect(away))],
                "route \"a\": a redirect is 301, 302, 303, 307 or 308",
            ),
        ] {
            assert_eq!(error(routes, &["s"]), text);
        }
        assert_eq!(error(vec![], &["s", "s"]), "there are two services of the name \"s\"");
        let text = "\"S.x\" is no name of a service: letters, digits and hyphens, in lower case";
        assert_eq!(error(vec![], &["S.x"]), text);
    }

    #[test]
    fn endpoints_are_replaced_and_what_is_known_of_them_goes_on() {
        let routing = Routing::new(Vec::new(), vec![upstream("s"), upstream("t")]).unwrap();
        let endpoints = ["127.0.0.1:1", "127.0.0.1:2"].map(|a| Endpoint::new(a.parse().unwrap())).to_vec();
        let now = Moment::ZERO;
        let other = routing.with_endpoints("s", endpoints.clone(), now).unwrap().unwrap();
        assert!(!routing.has_endpoint(0));
        assert!(other.has_endpoint(0) && !other.has_endpoint(1));
        // A request that is under way is known to the next version, too.
        let random = mamparo_context::Random::seeded(1);
        let pick = other.services()[0].balancer.pick(None, &[], now, &random).unwrap();
        let next = Routing::new(Vec::new(), vec![Upstream { endpoints, ..upstream("s") }]).unwrap();
        let next = next.after(&other, now);
        let in_flight = |routing: &Routing| {
            let described = routing.services()[0].balancer.describe(now);
            described.endpoints.iter().map(|endpoint| endpoint.in_flight).sum::<u32>()
        };
        assert_eq!(in_flight(&next), 1);
        drop(pick);
        assert_eq!(in_flight(&next), 0);
        assert!(routing.with_endpoints("u", Vec::new(), now).unwrap().is_none());
    }
}
