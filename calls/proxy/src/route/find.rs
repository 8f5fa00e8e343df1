//! What a request asks for: its host and its path, each of which must be readable in one way only, and the route
//! or the service they lead to.

use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::uri::Uri;
use http::{Method, Request, Response, StatusCode};

use super::cell::Asked;
use super::check::{CheckedRoute, Forward, Leads};
use super::host::{MESH_SUFFIX, host_of};
use super::rewrite::{self, Form};
use super::table::Found;
use super::{Access, Answer, Routing, Settings, path};
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
    /// The service that stands in for that one.
    pub(crate) failover: Option<usize>,
    /// The service that gets a copy.
    pub(crate) mirror: Option<usize>,
    /// The answer, where no service is asked.
    pub(crate) own: Option<Own<'a>>,
    pub(crate) settings: &'a Settings,
    /// What the service is asked for.
    pub(crate) uri: Uri,
    /// The host that it is asked for, where that is not the one of the client.
    pub(crate) host: Option<&'a HeaderValue>,
    pub(crate) captures: Captures,
}

/// What variables of the path stand for; only those that somebody asks for.
pub(crate) type Captures = Vec<(Arc<str>, Box<str>)>;

/// An answer of the proxy's own.
pub(crate) enum Own<'a> {
    Answer(&'a Answer),
    Redirect { status: StatusCode, location: HeaderValue },
    Preflight(Response<()>),
}

impl Way<'_> {
    /// Leads to the service that stands in, where the one that was chosen has no endpoint.
    pub(crate) fn stand_in(&mut self, is_available: impl Fn(usize) -> bool) {
        if let (Some(service), Some(other)) = (self.service, self.failover)
            && !is_available(service)
        {
            (self.service, self.failover) = (Some(other), None);
            if let Taken::Route(_, service) = &mut self.taken {
                *service = Some(other);
            }
        }
    }
}

/// Finds the way of a request that came in by `door`. `draw` is asked for 64 random bits where chance decides.
pub(crate) fn find<'a, B>(
    routing: &'a Routing,
    door: Door,
    request: &Request<B>,
    draw: impl FnOnce() -> u64,
) -> Result<Way<'a>, Turned> {
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
        return Ok(by_its_name(routing, name, rewrite::target(uri, &normal, None, &Form::Other)?)?);
    }
    let asked = Asked { host: &host, path: &normal, method, headers: request.headers(), query: uri.query() };
    let hit = match routing.find(&asked) {
        Found::Route(hit) => hit,
        Found::Nothing => return Err(Problem::NoRoute.into()),
        Found::Methods(methods) => {
            let allow = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
            return Err(Turned { problem: Problem::Method, allow: HeaderValue::try_from(allow).ok() });
        }
    };
    let number = hit.route as usize;
    let checked = routing.routes().get(number).ok_or(Problem::NoRoute)?;
    let form = checked.forms.get(hit.number as usize).unwrap_or(&Form::Other);
    let mut way = match &checked.leads {
        Leads::Services(forward) => {
            let target = rewrite::target(uri, &normal, forward.path.as_ref(), form)?;
            onward(number, checked, forward, target, draw)
        }
        Leads::Answer(answer) => answered(number, checked, Own::Answer(answer)),
        Leads::Redirect(redirect) => {
            let location = rewrite::location(redirect, form, (named, &host), (&normal, uri.query()))?;
            answered(number, checked, Own::Redirect { status: redirect.status, location })
        }
    };
    let value = |name: &Arc<str>| Some((Arc::clone(name), form.value(name, &normal)?.into()));
    way.captures.extend(checked.captures.iter().filter_map(value));
    Ok(way)
}

fn by_its_name<'a>(routing: &'a Routing, name: &str, uri: Uri) -> Result<Way<'a>, Problem> {
    let number = routing.service_named(name).ok_or(Problem::NoRoute)?;
    let service = routing.services().get(number).ok_or(Problem::NoRoute)?;
    Ok(Way {
        taken: Taken::ByName(number),
        access: Access::Public,
        service: Some(number),
        failover: None,
        mirror: None,
        own: None,
        settings: &service.settings,
        uri,
        host: None,
        captures: Captures::new(),
    })
}

fn onward<'a>(
    number: usize,
    checked: &'a CheckedRoute,
    forward: &'a Forward,
    uri: Uri,
    draw: impl FnOnce() -> u64,
) -> Way<'a> {
    let draw = if forward.split.is_random() || forward.mirror.is_some() { draw() } else { 0 };
    let service = forward.split.choose(draw);
    Way {
        taken: Taken::Route(number, Some(service)),
        access: checked.access,
        service: Some(service),
        failover: forward.failover,
        mirror: forward.mirror.filter(|(_, share)| share.has(draw)).map(|(service, _)| service),
        own: None,
        settings: &checked.settings,
        uri,
        host: forward.host.as_ref(),
        captures: Captures::new(),
    }
}

fn answered<'a>(number: usize, checked: &'a CheckedRoute, own: Own<'a>) -> Way<'a> {
    Way {
        taken: Taken::Route(number, None),
        access: checked.access,
        service: None,
        failover: None,
        mirror: None,
        own: Some(own),
        settings: &checked.settings,
        uri: Uri::default(),
        host: None,
        captures: Captures::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{
        Match, Mirror, Path, PathRewrite, Redirect, Rewrite, Route, Services, Target, Upstream, Weighted,
    };

    fn route(name: &str, path: Path, target: Target) -> Route {
        let (access, settings) = (Access::Public, Settings::default());
        Route { name: name.into(), matches: vec![Match::path(path)], access, target, settings }
    }

    fn weighted(name: &str, weight: u32) -> Weighted {
        Weighted { name: name.into(), weight }
    }

    fn routing() -> Routing {
        let prefix = |text: &str| Path::Prefix(text.into());
        let upstream = |name: &str, endpoint: Option<&str>| {
            let endpoints: Vec<_> = endpoint.map(|endpoint| endpoint.parse().unwrap()).into_iter().collect();
            Upstream::new(name, &endpoints)
        };
        let stripped = Rewrite { path: Some(PathRewrite::Prefix("/".into())), ..Rewrite::default() };
        let renamed =
            Rewrite { host: Some("inner".into()), path: Some(PathRewrite::Full("/v2/{id}".into())) };
        let to = |rewrite| Target::Services(Services { rewrite, ..Services::one("payments") });
        let split = Target::Services(Services {
            choice: vec![weighted("orders", 1), weighted("payments", 1)],
            failover: Some("spare".into()),
            mirror: Some(Mirror { name: "spare".into(), percent: 50.0 }),
            rewrite: Rewrite::default(),
        });
        let away = Target::Redirect(Redirect {
            scheme: None,
            host: Some("y.org".into()),
            port: None,
            path: Some(PathRewrite::Prefix("/new".into())),
            status: StatusCode::FOUND,
        });
        let routes = vec![
            route("o", prefix("/orders"), Target::service("orders")),
            route("p", prefix("/pay/"), to(stripped)),
            route("t", Path::Template("/t/{id}".into()), to(renamed)),
            route("s", prefix("/split"), split),
            route("r", prefix("/old"), away),
        ];
        let upstreams =
            [upstream("orders", None), upstream("payments", Some("127.0.0.1:1")), upstream("spare", None)];
        Routing::new(routes, upstreams.into()).unwrap()
    }

    fn request(uri: &str, host: &str) -> Request<()> {
        Request::builder().uri(uri).header("host", host).body(()).unwrap()
    }

    fn ask(door: Door, uri: &str, host: &str) -> Result<(Taken, String), Problem> {
        find(&routing(), door, &request(uri, host), || unreachable!("nothing is left to chance"))
            .map(|way| (way.taken, way.uri.to_string()))
            .map_err(|turned| turned.problem)
    }

    #[test]
    fn chance_chooses_among_services_and_who_gets_a_copy() {
        let routing = routing();
        for (draw, service, mirror) in
            [(0, 0, Some(2)), (0xffff_ffff, 0, None), (u64::MAX, 1, None), (1 << 63, 1, Some(2))]
        {
            let way = find(&routing, Door::Edge, &request("/split", "z"), || draw).ok().unwrap();
            assert_eq!((way.service, way.mirror, way.failover), (Some(service), mirror, Some(2)), "{draw:x}");
            assert_eq!(way.taken, Taken::Route(3, Some(service)));
        }
    }

    #[test]
    fn a_service_without_endpoints_is_stood_in_for() {
        let routing = routing();
        let mut way = find(&routing, Door::Edge, &request("/split", "z"), || 0).ok().unwrap();
        way.stand_in(|service| service == 0);
        assert_eq!((way.service, way.failover), (Some(0), Some(2)));
        way.stand_in(|service| service == 1);
        assert_eq!((way.service, way.failover, way.taken), (Some(2), None, Taken::Route(3, Some(2))));
    }

    #[test]
    fn a_request_is_rewritten_or_sent_elsewhere() {
        let routing = routing();
        let way = |uri: &str| find(&routing, Door::Edge, &request(uri, "z:80"), || 0).ok().unwrap();
        let renamed = way("/t/a%2fb?q");
        assert_eq!(
            (renamed.uri.to_string().as_str(), renamed.host.unwrap().as_bytes()),
            ("/v2/a%2Fb?q", &b"inner"[..])
        );
        let away = way("/old/x?q=1");
        assert_eq!((away.service, away.taken), (None, Taken::Route(4, None)));
        let Some(Own::Redirect { status, location }) = away.own else { panic!("it leads to a service") };
        assert_eq!((status.as_u16(), location.as_bytes()), (302, &b"//y.org:80/new/x?q=1"[..]));
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
            assert_eq!(
                ask(Door::Edge, uri, "z:80"),
                Ok((Taken::Route(route, Some(route)), forwarded.into())),
                "{uri}"
            );
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
        assert_eq!(ask(Door::Both, "/orders", "payments"), Ok((Taken::Route(0, Some(0)), "/orders".into())));
        assert_eq!(ask(Door::Mesh, "/orders", "nobody.mamparo"), Err(Problem::NoRoute));
        assert_eq!(ask(Door::Mesh, "/orders", "example.org"), Err(Problem::NoRoute));
    }
}
