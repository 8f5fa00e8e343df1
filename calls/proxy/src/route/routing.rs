//! A routing table that was checked, and the endpoints of the services it leads to. It never changes: another
//! one takes its place.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Request;
use mamparo_policy::stack::Stack;

use super::cell::{Asked, Clash};
use super::check::{CheckedRoute, check};
use super::paths::Unfit;
use super::table::{Found, Table};
use super::{Match, Route, Settings, Upstream, find};
use crate::options::Door;
use crate::respond::Taken;

/// Routes and services that fit each other. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    routes: Arc<[CheckedRoute]>,
    table: Arc<Table>,
    services: Vec<Arc<Service>>,
    by_name: Arc<HashMap<Arc<str>, usize>>,
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
    /// A route that does not hold by itself.
    #[error("route {route:?}: {what}")]
    Route {
        /// The route.
        route: String,
        /// What is wrong with it.
        what: String,
    },
}

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: Arc<str>,
    pub(crate) settings: Settings,
    endpoints: Box<[SocketAddr]>,
    turn: AtomicUsize,
}

impl Service {
    /// The endpoint whose turn it is.
    pub(crate) fn next(&self) -> Option<SocketAddr> {
        match &*self.endpoints {
            [] => None,
            [one] => Some(*one),
            all => all.get(self.turn.fetch_add(1, Ordering::Relaxed) % all.len()).copied(),
        }
    }

    pub(crate) fn endpoints(&self) -> &[SocketAddr] {
        &self.endpoints
    }
}

impl Routing {
    /// Checks that these routes and services fit each other.
    ///
    /// # Errors
    /// The first thing found that does not fit.
    pub fn new(routes: Vec<Route>, upstreams: Vec<Upstream>) -> Result<Self, RoutingError> {
        let (services, by_name) = check_services(upstreams)?;
        let mut names = HashSet::with_capacity(routes.len());
        let (mut checked, mut matches) = (Vec::with_capacity(routes.len()), Vec::with_capacity(routes.len()));
        for route in routes {
            let (route, own) = check(route, &by_name)?;
            if !names.insert(Arc::clone(&route.name)) {
                return Err(RoutingError::RouteTwice(route.name.to_string()));
            }
            checked.push(route);
            matches.push(own);
        }
        let name = |route: u32| checked.get(route as usize).map_or("", |checked| &checked.name).to_owned();
        let matches: Vec<&[Match]> = matches.iter().map(Vec::as_slice).collect();
        let table = Table::new(&matches).map_err(|unfit| match unfit {
            Unfit::Clash(Clash { first, second }) => {
                RoutingError::Ambiguous { first: name(first), second: name(second) }
            }
            Unfit::Regexes { route, why } => RoutingError::Route { route: name(route), what: why.0 },
        })?;
        Ok(Self { routes: checked.into(), table: Arc::new(table), services, by_name: Arc::new(by_name) })
    }

    /// The same routing with other endpoints for the service `name`; `None` when there is no such service.
    #[must_use]
    pub fn with_endpoints(&self, name: &str, endpoints: Vec<SocketAddr>) -> Option<Self> {
        let number = *self.by_name.get(name)?;
        let mut other = self.clone();
        let own = other.services.get_mut(number)?;
        *own = Arc::new(Service {
            name: Arc::clone(&own.name),
            settings: own.settings.clone(),
            endpoints: endpoints.into(),
            turn: AtomicUsize::new(0),
        });
        Some(other)
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

    /// The policies of its routes, to look at.
    pub fn policies(&self) -> Vec<Arc<Stack>> {
        self.routes.iter().filter_map(|checked| checked.settings.policies.clone()).collect()
    }

    pub(crate) fn routes(&self) -> &[CheckedRoute] {
        &self.routes
    }

    pub(crate) fn services(&self) -> &[Arc<Service>] {
        &self.services
    }

    pub(crate) fn has_endpoint(&self, service: usize) -> bool {
        self.services.get(service).is_some_and(|service| !service.endpoints.is_empty())
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
        let name: Arc<str> = upstream.name.into();
        if by_name.insert(Arc::clone(&name), services.len()).is_some() {
            return Err(RoutingError::ServiceTwice(name.to_string()));
        }
        services.push(Arc::new(Service {
            name,
            settings: upstream.settings,
            endpoints: upstream.endpoints.into(),
            turn: AtomicUsize::new(0),
        }));
    }
    Ok((services, by_name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{
        Access, HeaderMatch, Path, PathRewrite, Redirect, Services, Target, Wanted, Weighted,
    };

    fn route(name: &str, path: Path, target: Target) -> Route {
        let (access, settings) = (Access::Public, Settings::default());
        Route { name: name.into(), matches: vec![Match::path(path)], access, target, settings }
    }

    fn upstream(name: &str) -> Upstream {
        Upstream { name: name.into(), endpoints: Vec::new(), settings: Settings::default() }
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
    fn endpoints_are_replaced_and_taken_in_turn() {
        let routing = Routing::new(Vec::new(), vec![upstream("s"), upstream("t")]).unwrap();
        let endpoints: Vec<SocketAddr> = ["127.0.0.1:1", "127.0.0.1:2"].map(|a| a.parse().unwrap()).to_vec();
        let other = routing.with_endpoints("s", endpoints.clone()).unwrap();
        assert_eq!(routing.services()[0].next(), None);
        let service = &other.services()[0];
        let turns = [service.next(), service.next(), service.next()];
        assert_eq!(turns, [Some(endpoints[0]), Some(endpoints[1]), Some(endpoints[0])]);
        assert!(routing.with_endpoints("u", endpoints).is_none());
    }
}
