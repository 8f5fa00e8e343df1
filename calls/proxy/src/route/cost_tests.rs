//! What ten thousand routes cost: memory for the table, and nothing for a request.

use http::{HeaderName, Request};

use super::*;

const ROUTES: usize = 10_000;
/// Most bytes of the table for each of so many small routes; it had 480 when this was written.
const BYTES: i64 = 800;

fn one(number: usize) -> (Match, Request<()>) {
    let host = format!("h{}.org", number % 100);
    let (path, target) = match number / 100 % 5 {
        0 => (Path::Exact(format!("/e{number}/list")), format!("/e{number}/list")),
        1 => (Path::Prefix(format!("/p{number}")), format!("/p{number}/x/7?a=b")),
        2 => (Path::Template(format!("/t{number}/{{id}}")), format!("/t{number}/7")),
        3 => (Path::Prefix("/h".into()), format!("/h/x?q={number}")),
        _ if number < 1_000 => (Path::Regex(format!("/r{number}/[0-9]+")), format!("/r{number}/77")),
        _ => (Path::Exact(format!("/r{number}")), format!("/r{number}")),
    };
    let mut request = Request::builder().uri(target).header("host", &host);
    let mut matches = Match { hosts: vec![host.parse().unwrap()], ..Match::path(path) };
    if number / 100 % 5 == 3 {
        let (name, value) = (HeaderName::from_static("x-n"), Wanted::Exact(number.to_string()));
        request = request.header(&name, number);
        matches.headers.push(HeaderMatch { name, value });
        matches.query.push(QueryMatch { name: "q".into(), value: Wanted::Regex("[0-9]+".into()) });
    }
    (matches, request.body(()).unwrap())
}

fn routing() -> Routing {
    let route = |number: usize| Route {
        name: format!("route-{number}"),
        matches: vec![one(number).0],
        access: Access::Public,
        target: Target::service("a"),
        settings: Settings::default(),
    };
    let upstream = Upstream::new("a", &[]);
    Routing::new((0..ROUTES).map(route).collect(), vec![upstream]).unwrap()
}

#[test]
fn a_request_among_ten_thousand_routes_allocates_nothing_and_the_table_is_small() {
    let mut made = None;
    // Everything that went into it and did not stay is gone by the end.
    let table = allocation_counter::measure(|| made = Some(routing()));
    let routing = made.unwrap();
    assert!(table.bytes_current <= ROUTES as i64 * BYTES, "{} bytes", table.bytes_current);
    let requests: Vec<_> = (0..ROUTES).map(|number| (format!("route-{number}"), one(number).1)).collect();
    let all = || {
        for (name, request) in &requests {
            assert_eq!(routing.taker(request, 0), Some(name.as_str()));
        }
    };
    // Once before: the automata learn their states, on this thread.
    all();
    assert_eq!(allocation_counter::measure(all).count_total, 0);
}
