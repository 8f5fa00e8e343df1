//! Ten thousand routes over a hundred hosts, of all kinds, and a request that each of them takes.

use http::{HeaderName, HeaderValue, Request};
use mamparo_proxy::{
    Access, HeaderMatch, Host, Match, Path, QueryMatch, Route, Routing, Settings, Target, Upstream, Wanted,
};

pub(crate) const HOSTS: usize = 100;
pub(crate) const ROUTES: usize = 10_000;

/// One route and what it is asked for.
struct One {
    host: String,
    matches: Match,
    request: Request<()>,
}

/// Of twenty routes eight are exact, six prefixes, three templates, one asks for a header, one for a parameter, and one
/// is a regular expression; of the hosts every tenth is a wildcard.
fn one(number: usize) -> One {
    let host = (number / 20) % HOSTS;
    let (asked, host): (String, Host) = if host.is_multiple_of(10) {
        (format!("a.h{host}.example.org"), format!("*.h{host}.example.org").parse().unwrap())
    } else {
        (format!("h{host}.example.org"), format!("h{host}.example.org").parse().unwrap())
    };
    let (path, target) = match number % 20 {
        0..8 => (Path::Exact(format!("/s{number}/items/list")), format!("/s{number}/items/list")),
        8..14 => (Path::Prefix(format!("/s{number}/api")), format!("/s{number}/api/v1/users/7?page=2")),
        14 | 15 => {
            (Path::Template(format!("/s{number}/{{id}}/lines/{{line}}")), format!("/s{number}/77/lines/8"))
        }
        16 => (Path::Template(format!("/{{tenant}}/s{number}")), format!("/acme/s{number}")),
        17 | 18 => (Path::Prefix("/shared".into()), format!("/shared/x?tenant=t{number}")),
        _ => (Path::Regex(format!("/r{number}/[a-z]+/[0-9]+")), format!("/r{number}/users/4711")),
    };
    let mut matches = Match { hosts: vec![host], ..Match::path(path) };
    let mut request = Request::builder().uri(target).header("host", &asked).body(()).unwrap();
    request.headers_mut().insert("accept", HeaderValue::from_static("*/*"));
    let value = Wanted::Exact(format!("t{number}"));
    match number % 20 {
        17 => matches.query.push(QueryMatch { name: "tenant".into(), value }),
        18 => {
            let name = HeaderName::from_static("x-tenant");
            request.headers_mut().insert(&name, HeaderValue::try_from(format!("t{number}")).unwrap());
            matches.headers.push(HeaderMatch { name, value });
        }
        _ => {}
    }
    One { host: asked, matches, request }
}

/// The routes, as somebody hands them over.
pub(crate) fn routes(count: usize) -> Vec<Route> {
    let route = |number: usize| Route {
        name: format!("route-{number}"),
        matches: vec![one(number).matches],
        access: Access::Public,
        target: Target::service("a"),
        settings: Settings::default(),
    };
    (0..count).map(route).collect()
}

pub(crate) fn routing(routes: Vec<Route>) -> Routing {
    Routing::new(routes, vec![Upstream::new("a", &[])]).unwrap()
}

/// A request for each route, in an order that follows none.
pub(crate) fn requests(count: usize) -> Vec<(String, Request<()>)> {
    // A step that has no divisor in common with the count visits all of them.
    let step = 7919;
    let at = |turn: usize| (turn * step) % count;
    (0..count).map(at).map(|number| (format!("route-{number}"), one(number).request)).collect()
}

/// The same routes in the words of the configuration.
pub(crate) fn file(count: usize) -> String {
    let mut text = "version: 1\nservices: {a: {address: '127.0.0.1:1'}}\ngateway:\n  routes:\n".to_owned();
    for number in 0..count {
        let One { host, matches, .. } = one(number);
        let path = match &matches.path {
            Path::Exact(path) => format!("path: '{path}', exact: true"),
            Path::Template(path) => format!("template: '{path}'"),
            Path::Prefix(path) => format!("path: '{path}'"),
            Path::Regex(pattern) => format!("regex: '{pattern}'"),
        };
        let more = match number % 20 {
            17 => format!(", query: {{tenant: t{number}}}"),
            18 => format!(", headers: {{x-tenant: t{number}}}"),
            _ => String::new(),
        };
        text.push_str(&format!(
            "    - {{name: route-{number}, match: {{host: {host}, {path}{more}}}, service: a, public: true}}\n"
        ));
    }
    text
}
