//! A routing table that was checked, and the endpoints of the services it leads to. It never changes: another
//! one takes its place.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use mamparo_policy::stack::Stack;

use super::table::{Clash, Entry, Found, Table};
use super::{Path, Route, Settings, Target, Upstream, path};
use crate::transport::Transport;

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
    /// A prefix is to be cut off, but the route takes an exact path.
    #[error("route {0:?} cuts off a prefix, but takes no prefix")]
    NothingToStrip(String),
}

#[derive(Debug)]
pub(crate) struct CheckedRoute {
    pub(crate) name: Arc<str>,
    pub(crate) route: Route,
    pub(crate) service: Option<usize>,
    /// How many bytes of the path are cut off.
    pub(crate) strip: usize,
}

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: Arc<str>,
    pub(crate) settings: Settings,
    pub(crate) transport: Transport,
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
        let mut names = HashMap::new();
        let mut checked = Vec::with_capacity(routes.len());
        for (number, route) in routes.into_iter().enumerate() {
            if names.insert(route.name.clone(), number).is_some() {
                return Err(RoutingError::RouteTwice(route.name));
            }
            checked.push(check_route(route, &by_name)?);
        }
        let entries = checked.iter().enumerate().map(|(number, checked)| Entry {
            route: number,
            hosts: &checked.route.hosts,
            path: &checked.route.path,
            methods: &checked.route.methods,
        });
        let table = Table::new(entries).map_err(|Clash { first, second }| RoutingError::Ambiguous {
            first: checked[first].route.name.clone(),
            second: checked[second].route.name.clone(),
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
            transport: own.transport.clone(),
            endpoints: endpoints.into(),
            turn: AtomicUsize::new(0),
        });
        Some(other)
    }

    pub(crate) fn find(&self, host: &str, path: &str, method: &Method) -> Found {
        self.table.find(host, path, method)
    }

    /// The policies of its routes, to look at.
    pub fn policies(&self) -> Vec<Arc<Stack>> {
        self.routes.iter().filter_map(|checked| checked.route.settings.policies.clone()).collect()
    }

    pub(crate) fn routes(&self) -> &[CheckedRoute] {
        &self.routes
    }

    pub(crate) fn services(&self) -> &[Arc<Service>] {
        &self.services
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
            transport: upstream.transport,
            endpoints: upstream.endpoints.into(),
            turn: AtomicUsize::new(0),
        }));
    }
    Ok((services, by_name))
}

fn check_route(route: Route, by_name: &HashMap<Arc<str>, usize>) -> Result<CheckedRoute, RoutingError> {
    let (Path::Exact(text) | Path::Prefix(text)) = &route.path;
    if !text.starts_with('/') || path::normalize(text).as_deref() != Ok(text.as_str()) {
        return Err(RoutingError::Path { path: text.clone(), route: route.name });
    }
    let mut checked = CheckedRoute { name: route.name.as_str().into(), service: None, strip: 0, route };
    if let Target::Service { name, strip_prefix } = &checked.route.target {
        let Some(number) = by_name.get(name.as_str()) else {
            return Err(RoutingError::UnknownService { service: name.clone(), route: checked.route.name });
        };
        checked.service = Some(*number);
        if *strip_prefix {
            let Path::Prefix(prefix) = &checked.route.path else {
                return Err(RoutingError::NothingToStrip(checked.route.name));
            };
            checked.strip = prefix.trim_end_matches('/').len();
        }
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Access;

    fn route(name: &str, path: Path, service: &str, strip_prefix: bool) -> Route {
        Route {
            name: name.into(),
            hosts: Vec::new(),
            path,
            methods: Vec::new(),
            access: Access::Public,
            target: Target::Service { name: service.into(), strip_prefix },
            settings: Settings::default(),
        }
    }

    fn upstream(name: &str) -> Upstream {
        Upstream {
            name: name.into(),
            endpoints: Vec::new(),
            transport: Transport::default(),
            settings: Settings::default(),
        }
    }

    fn error(routes: Vec<Route>, names: &[&str]) -> String {
        let upstreams = names.iter().map(|name| upstream(name)).collect();
        Routing::new(routes, upstreams).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let prefix = |path: &str| Path::Prefix(path.into());
        let exact = Path::Exact("/a".into());
        for (routes, names, text) in [
            (
                vec![route("a", prefix("/a"), "s", false), route("b", prefix("/a/"), "s", false)],
                &["s"][..],
                "routes \"a\" and \"b\" take the same requests",
            ),
            (
                vec![route("a", prefix("/a"), "s", false), route("a", prefix("/b"), "s", false)],
                &["s"],
                "there are two routes of the name \"a\"",
            ),
            (
                vec![route("a", prefix("/a"), "t", false)],
                &["s"],
                "route \"a\" leads to the service \"t\", which is not there",
            ),
            (
                vec![route("a", prefix("/a/../b"), "s", false)],
                &["s"],
                "route \"a\": \"/a/../b\" is not a path in its normal form, such as /orders",
            ),
            (
                vec![route("a", prefix("*"), "s", false)],
                &["s"],
                "route \"a\": \"*\" is not a path in its normal form, such as /orders",
            ),
            (
                vec![route("a", exact, "s", true)],
                &["s"],
                "route \"a\" cuts off a prefix, but takes no prefix",
            ),
            (vec![], &["s", "s"], "there are two services of the name \"s\""),
            (vec![], &["S.x"], "\"S.x\" is no name of a service: letters, digits and hyphens, in lower case"),
        ] {
            assert_eq!(error(routes, names), text);
        }
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
