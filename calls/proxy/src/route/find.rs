//! What a request asks for: its host and its path, each of which must be readable in one way only, and the route
//! or the service they lead to.

use http::header::{self, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use http::{Method, Request};

use super::host::{MESH_SUFFIX, host_of};
use super::{Access, Found, Routing, Settings, Target, path};
use crate::options::Door;
use crate::problem::Problem;
use crate::respond::Taken;
use crate::walk::Turned;

/// Where a request goes.
pub(crate) struct Way<'a> {
    pub(crate) taken: Taken,
    pub(crate) access: Access,
    /// The number of the service it leads to, if it leads to one.
    pub(crate) service: Option<usize>,
    pub(crate) target: Option<&'a Target>,
    pub(crate) settings: &'a Settings,
    /// What the service is asked for.
    pub(crate) uri: Uri,
}

/// Finds the way of a request that came in by `door`.
pub(crate) fn find<'a, B>(routing: &'a Routing, door: Door, request: &Request<B>) -> Result<Way<'a>, Turned> {
    let (method, uri) = (request.method(), request.uri());
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        return Err(Problem::MethodRefused.into());
    }
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let named = named.ok_or(Problem::Host)?;
    let host = host_of(named).ok_or(Problem::Host)?;
    if uri.authority().is_some_and(|authority| !authority.as_str().eq_ignore_ascii_case(named)) {
        return Err(Problem::Host.into());
    }
    let normal = path::normalize(uri.path()).map_err(|path::Ambiguous| Problem::Path)?;

    let by_name = match (door, host.strip_suffix(MESH_SUFFIX)) {
        (Door::Edge, Some(_)) => return Err(Problem::IdentityRequired.into()),
        (Door::Mesh | Door::Both, Some(name)) => Some(name),
        (Door::Mesh, None) => Some(&*host),
        (Door::Edge | Door::Both, None) => None,
    };
    if let Some(name) = by_name {
        let number = routing.service_named(name).ok_or(Problem::NoRoute)?;
        return Ok(Way {
            taken: Taken::ByName(number),
            access: Access::Public,
            service: Some(number),
            target: None,
            settings: routing
                .services()
                .get(number)
                .map(|service| &service.settings)
                .ok_or(Problem::NoRoute)?,
            uri: rewrite(uri, &normal, 0)?,
        });
    }
    let number = match routing.find(&host, &normal, method) {
        Found::Route(number) => number,
        Found::Nothing => return Err(Problem::NoRoute.into()),
        Found::Methods(methods) => {
            let allow = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
            return Err(Turned { problem: Problem::Method, allow: HeaderValue::try_from(allow).ok() });
        }
    };
    let checked = routing.routes().get(number).ok_or(Problem::NoRoute)?;
    Ok(Way {
        taken: Taken::Route(number),
        access: checked.route.access,
        service: checked.service,
        target: Some(&checked.route.target),
        settings: &checked.route.settings,
        uri: rewrite(uri, &normal, checked.strip)?,
    })
}

/// The target in origin form: the path as it was matched, without its first `strip` bytes, and the query as it
/// came.
fn rewrite(uri: &Uri, normal: &str, strip: usize) -> Result<Uri, Problem> {
    if strip == 0 && normal == uri.path() {
        return match uri.path_and_query() {
            Some(_) if uri.authority().is_none() => Ok(uri.clone()),
            Some(path) => Ok(Uri::from(path.clone())),
            None => Err(Problem::Path),
        };
    }
    let rest = normal.get(strip..).unwrap_or_default();
    let mut text = String::with_capacity(uri.path_and_query().map_or(0, |all| all.as_str().len()) + 1);
    if !rest.starts_with('/') {
        text.push('/');
    }
    text.push_str(rest);
    if let Some(query) = uri.query() {
        text.push('?');
        text.push_str(query);
    }
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).map(Uri::from).map_err(|_| Problem::Path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{Path, Route, Upstream};

    fn routing() -> Routing {
        let route = |name: &str, path: &str, service: &str, strip_prefix| Route {
            name: name.into(),
            hosts: Vec::new(),
            path: Path::Prefix(path.into()),
            methods: Vec::new(),
            access: Access::Public,
            target: Target::Service { name: service.into(), strip_prefix },
            settings: Settings::default(),
        };
        let upstream = |name: &str| Upstream {
            name: name.into(),
            endpoints: Vec::new(),
            transport: Default::default(),
            settings: Settings::default(),
        };
        let routes = vec![route("o", "/orders", "orders", false), route("p", "/pay/", "payments", true)];
        Routing::new(routes, vec![upstream("orders"), upstream("payments")]).unwrap()
    }

    fn ask(door: Door, uri: &str, host: &str) -> Result<(Taken, String), Problem> {
        let request = Request::builder().uri(uri).header("host", host).body(()).unwrap();
        find(&routing(), door, &request)
            .map(|way| (way.taken, way.uri.to_string()))
            .map_err(|turned| turned.problem)
    }

    #[test]
    fn the_path_that_was_matched_is_the_one_that_is_forwarded() {
        for (uri, route, forwarded) in [
            ("/orders", 0, "/orders"),
            ("/orders/1?a=b", 0, "/orders/1?a=b"),
            ("//orders/./1?a=/../b", 0, "/orders/1?a=/../b"),
            ("/x/../orders", 0, "/orders"),
            ("/%6frders/a%2fb", 0, "/orders/a%2Fb"),
            ("http://z:80/orders?q", 0, "/orders?q"),
            ("/pay", 1, "/"),
            ("/pay/", 1, "/"),
            ("/pay/a?b=c", 1, "/a?b=c"),
            ("/pay?b=c", 1, "/?b=c"),
        ] {
            assert_eq!(ask(Door::Edge, uri, "z:80"), Ok((Taken::Route(route), forwarded.into())), "{uri}");
        }
        assert_eq!(ask(Door::Edge, "/orders/../pays", "z"), Err(Problem::NoRoute));
        assert_eq!(ask(Door::Edge, "/..", "z"), Err(Problem::Path));
        assert_eq!(ask(Door::Edge, "http://y/orders", "z"), Err(Problem::Host));
        assert_eq!(ask(Door::Edge, "/orders", "a@z"), Err(Problem::Host));
    }

    #[test]
    fn names_of_the_mesh_are_served_only_where_the_door_says_so() {
        let payments = Ok((Taken::ByName(1), "/a/b".into()));
        assert_eq!(ask(Door::Edge, "/a/b", "payments.mamparo"), Err(Problem::IdentityRequired));
        assert_eq!(ask(Door::Mesh, "/a/./b", "payments.mamparo:80"), payments);
        assert_eq!(ask(Door::Mesh, "/a/b", "payments"), payments);
        assert_eq!(ask(Door::Both, "/a/b", "Payments.Mamparo"), payments);
        assert_eq!(ask(Door::Both, "/orders", "payments"), Ok((Taken::Route(0), "/orders".into())));
        assert_eq!(ask(Door::Mesh, "/orders", "nobody.mamparo"), Err(Problem::NoRoute));
        assert_eq!(ask(Door::Mesh, "/orders", "example.org"), Err(Problem::NoRoute));
    }
}
