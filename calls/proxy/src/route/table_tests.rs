//! What a table finds, and what it refuses.

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::super::cell::Clash;
use super::*;
use crate::route::{HeaderMatch, QueryMatch, Wanted};

fn table(rows: &[Match]) -> Result<Table, Unfit> {
    let routes: Vec<_> = rows.iter().map(|row| Takes { matches: vec![row.clone()], own: 1 }).collect();
    Table::new(&routes)
}

fn exact(path: &str) -> Match {
    Match::path(Path::Exact(path.into()))
}

fn prefix(path: &str) -> Match {
    Match::path(Path::Prefix(path.into()))
}

fn template(path: &str) -> Match {
    Match::path(Path::Template(path.into()))
}

fn regex(path: &str) -> Match {
    Match::path(Path::Regex(path.into()))
}

impl Match {
    fn at(mut self, hosts: &[&str]) -> Self {
        self.hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        self
    }

    fn by(mut self, methods: &[Method]) -> Self {
        self.methods = methods.to_vec();
        self
    }

    fn header(mut self, name: &'static str, value: Wanted) -> Self {
        self.headers.push(HeaderMatch { name: HeaderName::from_static(name), value });
        self
    }

    fn query(mut self, name: &str, value: Wanted) -> Self {
        self.query.push(QueryMatch { name: name.into(), value });
        self
    }
}

fn is(text: &str) -> Wanted {
    Wanted::Exact(text.into())
}

fn like(text: &str) -> Wanted {
    Wanted::Regex(text.into())
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    lines.iter().map(line).collect()
}

/// The number of the route for a request, or nothing.
fn find(table: &Table, method: &str, host: &str, target: &str, headers: &HeaderMap) -> Option<u32> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    match table.find(&Asked { host, path, method: &method.parse().unwrap(), headers, query }) {
        Found::Route(hit) => Some(hit.route),
        _ => None,
    }
}

#[test]
fn the_more_precise_host_path_and_method_win() {
    let table = table(&[
        prefix("/"),
        prefix("/a"),
        prefix("/a/b/"),
        exact("/a/b"),
        prefix("/").at(&["x.org"]),
        prefix("/").at(&["*.x.org"]),
        prefix("/a").at(&["*.y.x.org"]),
        exact("/m").at(&["x.org"]).by(&[Method::GET]),
        exact("/m").at(&["x.org"]),
        exact("/only").by(&[Method::PUT]),
        exact("/both").at(&["p.test", "*.q.test"]),
    ])
    .unwrap();
    for (method, host, path, route) in [
        ("GET", "z", "/", 0),
        ("GET", "z", "/b", 0),
        ("GET", "z", "/ab", 0),
        ("GET", "z", "/a", 1),
        ("GET", "z", "/a/", 1),
        ("GET", "z", "/a/bc", 1),
        ("GET", "z", "/a/b", 3),
        ("GET", "z", "/a/b/", 2),
        ("GET", "z", "/a/b/c/d", 2),
        ("GET", "x.org", "/a/b", 4),
        ("GET", "w.x.org", "/a/b", 5),
        ("GET", "v.w.x.org", "/a", 5),
        ("GET", "z.y.x.org", "/a/b", 6),
        ("GET", "z.y.x.org", "/b", 5),
        ("GET", "y.x.org", "/a", 5),
        ("GET", "ax.org", "/a", 1),
        ("GET", "x.org", "/m", 7),
        ("PUT", "x.org", "/m", 8),
        ("PUT", "z", "/only", 9),
        ("GET", "z", "/only", 0),
        ("GET", "x.org", "/only", 4),
        ("GET", "p.test", "/both", 10),
        ("GET", "a.q.test", "/both", 10),
        ("GET", "q.test", "/both", 0),
    ] {
        assert_eq!(
            find(&table, method, host, path, &HeaderMap::new()),
            Some(route),
            "{method} {host} {path}"
        );
    }
}

#[test]
fn a_path_is_matched_exactly_then_by_template_by_prefix_and_by_expression() {
    let table = table(&[
        prefix("/"),
        regex("/.*"),
        regex("/v[0-9]+/users"),
        prefix("/v2"),
        template("/v2/{what}"),
        template("/{version}/users"),
        exact("/v2/users"),
        template("/v2/{what}/x").by(&[Method::PUT]),
    ])
    .unwrap();
    for (method, path, route) in [
        ("GET", "/v2/users", 6),
        ("GET", "/v2/orders", 4),
        ("GET", "/v3/users", 5),
        ("GET", "/v2/a/b", 3),
        ("GET", "/v2", 3),
        ("GET", "/v2/a/x", 3),
        ("PUT", "/v2/a/x", 7),
        // The expressions of a host are equal; the first in the file goes first.
        ("GET", "/v4/u", 1),
        ("GET", "/", 1),
    ] {
        assert_eq!(find(&table, method, "z", path, &HeaderMap::new()), Some(route), "{method} {path}");
    }
}

#[test]
fn headers_and_queries_decide_among_routes_of_one_path() {
    let table = table(&[
        prefix("/a"),
        prefix("/a").header("x-a", is("1")),
        prefix("/a").header("x-a", is("1")).header("x-b", Wanted::Present),
        prefix("/a").header("x-a", like("2+")),
        prefix("/a").query("q", is("x y")),
        prefix("/a").query("q", like("[a-c]+")).query("r", Wanted::Present),
        prefix("/a").by(&[Method::PUT]),
        prefix("/a").header("x-a", is("1, 9")),
    ])
    .unwrap();
    for (method, target, lines, route) in [
        ("GET", "/a", &[][..], 0),
        ("GET", "/a/b", &[("x-a", "1")], 1),
        ("GET", "/a", &[("x-a", "1"), ("x-b", "")], 2),
        ("GET", "/a", &[("x-a", "12")], 0),
        ("GET", "/a", &[("x-a", "222")], 3),
        ("GET", "/a", &[("x-a", "1"), ("x-a", "9")], 7),
        ("GET", "/a?q=x+y", &[], 4),
        ("GET", "/a?p&q=x%20y", &[], 4),
        ("GET", "/a?q=abc", &[], 0),
        ("GET", "/a?r&q=abc", &[], 5),
        ("GET", "/a?r&q=abcd", &[], 0),
        // A header goes before a parameter, and a method before both.
        ("GET", "/a?q=x+y", &[("x-a", "1")], 1),
        ("PUT", "/a?q=x+y", &[("x-a", "1")], 6),
    ] {
        assert_eq!(
            find(&table, method, "z", target, &headers(lines)),
            Some(route),
            "{method} {target} {lines:?}"
        );
    }
}

#[test]
fn a_method_that_no_route_takes_is_told_apart_from_nothing() {
    let table = table(&[
        exact("/a").by(&[Method::GET, Method::PUT]),
        prefix("/a").by(&[Method::POST, Method::GET]),
        prefix("/a").by(&[Method::PATCH]).header("x-a", Wanted::Present),
        regex("/b+").by(&[Method::GET]),
    ])
    .unwrap();
    let none = HeaderMap::new();
    let ask =
        |path| table.find(&Asked { host: "z", path, method: &Method::DELETE, headers: &none, query: None });
    assert_eq!(ask("/a"), Found::Methods(vec![Method::GET, Method::PUT, Method::POST]));
    assert_eq!(ask("/bb"), Found::Methods(vec![Method::GET]));
    for path in ["/", "", "*"] {
        assert_eq!(ask(path), Found::Nothing, "{path}");
    }
}

#[test]
fn routes_that_ask_for_the_same_thing_clash() {
    let present = || Wanted::Present;
    for rows in [
        [exact("/a"), exact("/a")],
        [prefix("/a"), prefix("/a/")],
        [prefix("/"), prefix("/")],
        [template("/a/{x}"), template("/a/{y}")],
        [regex("/a+"), regex("/a+")],
        [exact("/a").by(&[Method::GET, Method::PUT]), exact("/a").by(&[Method::PUT])],
        [exact("/a").at(&["a", "b"]), exact("/a").at(&["b"])],
        [
            exact("/a").header("x-a", is("1")).header("x-b", present()),
            exact("/a").header("x-b", present()).header("x-a", is("1")),
        ],
        [exact("/a").query("q", like(".")), exact("/a").query("q", like("."))],
    ] {
        let clash = table(&rows).map(drop);
        assert!(matches!(clash, Err(Unfit::Clash(Clash { first: 0, second: 1 }))), "{rows:?}: {clash:?}");
    }
    for rows in [
        [exact("/a").at(&["a"]), exact("/a").at(&["b"])],
        [exact("/a"), prefix("/a")],
        [exact("/a"), exact("/a").by(&[Method::GET])],
        [exact("/a").header("x-a", is("1")), exact("/a").header("x-a", is("2"))],
        [exact("/a").query("q", is("1")), exact("/a").header("q", is("1"))],
        [template("/a/{x}"), template("/{x}/a")],
        [regex("/a+"), regex("/a*")],
    ] {
        assert!(table(&rows).is_ok(), "{rows:?}");
    }
    let twice_in_one = || vec![exact("/a"), exact("/a")];
    assert!(Table::new(&[Takes { matches: twice_in_one(), own: 2 }]).is_ok());
    // What is not a route's own goes to who stands first.
    let besides = || Takes { matches: twice_in_one(), own: 0 };
    assert!(Table::new(&[besides(), besides(), Takes { matches: twice_in_one(), own: 1 }]).is_ok());
    assert!(Table::new(&[Takes { own: 1, ..besides() }, Takes { own: 1, ..besides() }]).is_err());
}

/// The same precedence, written as one pass over all matches.
fn by_the_book(rows: &[Match], host: &str, path: &str, method: &Method) -> Option<u32> {
    let rank = |one: &Match| {
        let of_host = |own: &Host| match own {
            Host::Exact(own) => (own == host).then_some(usize::MAX),
            Host::Below(own) => (host.len() > own.len() && host.ends_with(own.as_str())).then_some(own.len()),
        };
        let of_host =
            if one.hosts.is_empty() { Some(0) } else { one.hosts.iter().filter_map(of_host).max() }?;
        let literal = |text: &str| text.split('/').map(|part| !part.starts_with('{')).collect::<Vec<_>>();
        let of_path = match &one.path {
            Path::Exact(own) => (own == path).then(|| (4, Vec::new(), 0)),
            Path::Template(own) => {
                let fits =
                    |(own, part): (&str, &str)| own == part || (own.starts_with('{') && !part.is_empty());
                let same = own.split('/').count() == path.split('/').count();
                (same && own.split('/').zip(path.split('/')).all(fits)).then(|| (3, literal(own), 0))
            }
            Path::Prefix(own) if own == "/" => Some((0, Vec::new(), 0)),
            Path::Prefix(own) => {
                let rest = path.strip_prefix(own.as_str());
                let fits = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
                fits.then_some((2, Vec::new(), own.len()))
            }
            Path::Regex(_) => None,
        }?;
        let of_method =
            (one.methods.is_empty() || one.methods.contains(method)).then_some(!one.methods.is_empty())?;
        Some((of_host, of_path, of_method))
    };
    let ranked =
        rows.iter().zip(0_u32..).filter_map(|(one, route)| Some((rank(one)?, std::cmp::Reverse(route))));
    ranked.max().map(|(_, route)| route.0)
}

fn any_match() -> impl Strategy<Value = Match> {
    let segment = prop::sample::select(vec!["a", "b", "{x}"]);
    let path = (prop::collection::vec(segment, 0..4), 0..3_u8).prop_map(|(segments, kind)| {
        let variables: String = segments
            .iter()
            .enumerate()
            .fold(String::new(), |text, (at, segment)| text + "/" + &segment.replace('x', &format!("x{at}")));
        let literal = format!("/{}", segments.join("/").replace("{x}", "a"));
        match kind {
            0 => Path::Exact(literal),
            1 => Path::Prefix(literal),
            _ if variables.is_empty() => Path::Prefix("/".into()),
            _ => Path::Template(variables),
        }
    });
    let hosts = prop::sample::select(vec![&[][..], &["h.org"], &["*.h.org"], &["*.g.h.org", "h.org"]]);
    let methods = prop::sample::select(vec![&[][..], &[Method::GET], &[Method::PUT, Method::POST]]);
    (hosts, path, methods).prop_map(|(hosts, path, methods)| Match::path(path).at(hosts).by(methods))
}

proptest! {
    #[test]
    fn a_look_up_finds_what_the_precedence_says(
        rows in prop::collection::vec(any_match(), 1..12),
        path in "(/[abc]){0,4}/?",
        host in prop::sample::select(vec!["h.org", "f.h.org", "f.g.h.org", "other"]),
        method in prop::sample::select(vec![Method::GET, Method::PUT, Method::DELETE]),
    ) {
        let path = if path.is_empty() { "/" } else { &path };
        let rows = rows.into_iter().fold(Vec::new(), |mut rows, one| {
            rows.push(one);
            if table(&rows).is_err() {
                rows.pop();
            }
            rows
        });
        let found = find(&table(&rows).unwrap(), method.as_str(), host, path, &HeaderMap::new());
        prop_assert_eq!(found, by_the_book(&rows, host, path, &method), "{:?}", rows);
    }
}
