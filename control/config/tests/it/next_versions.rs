//! What the next version of a file changes while a process runs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use mamparo_config::{InForce, Kept, Next, RoutePath, RouteTarget};

const FIRST: &str = "version: 1
services:
  a: {address: '127.0.0.1:1'}
  b: {address: '127.0.0.1:2'}
gateway:
  drain: 3s
  routes:
    - {match: {path: /a}, service: a, public: true}
    - {match: {path: /b}, service: b, public: true}
";

fn first() -> InForce {
    InForce::first(FIRST, "f").unwrap()
}

fn routes(in_force: &InForce) -> Vec<(String, String)> {
    let routes = &in_force.config().gateway.routes;
    let path = |path: &RoutePath| match path {
        RoutePath::Prefix(path) | RoutePath::Exact(path) => path.clone(),
        other => panic!("{other:?}"),
    };
    let service = |target: &RouteTarget| match target {
        RouteTarget::Services(services) => services.choice[0].0.clone(),
        other => panic!("{other:?}"),
    };
    routes.iter().map(|route| (path(&route.matches[0].path), service(&route.target))).collect()
}

/// `path -> what is kept`, in the order of the text.
fn refused(next: &Next) -> Vec<(String, Kept)> {
    next.refused.iter().map(|refused| (refused.problem.path.clone(), refused.kept)).collect()
}

fn pair(path: &str, service: &str) -> (String, String) {
    (path.to_owned(), service.to_owned())
}

#[test]
fn a_sound_version_takes_effect_as_a_whole() {
    let next = first().next(&FIRST.replace("path: /b}, service: b", "path: /c}, service: a"), "f");
    assert_eq!(routes(&next.in_force.unwrap()), [pair("/a", "a"), pair("/c", "a")]);
    assert_eq!((next.refused, next.parts), (vec![], 0));
}

#[test]
fn a_route_that_is_wrong_is_refused_alone_and_its_last_good_version_stays() {
    let text = "version: 1
services:
  a: {address: '127.0.0.1:1'}
  b: {address: '127.0.0.1:2'}
gateway:
  routes:
    - {match: {path: /new}, service: nobody, public: true}
    - {match: {path: /a}, service: nobody, public: true}
    - {match: {path: /b}, service: b}
    - {match: {path: /d}, service: b, public: true}
";
    let next = first().next(text, "f");
    assert_eq!(
        refused(&next),
        [
            ("gateway.routes[0].service".to_owned(), Kept::Nothing),
            ("gateway.routes[1].service".to_owned(), Kept::LastGood),
            ("gateway.routes[2].match".to_owned(), Kept::LastGood),
        ]
    );
    assert_eq!((next.refused[1].problem.line, next.refused[1].problem.column, next.parts), (8, 36, 3));
    let in_force = next.in_force.unwrap();
    assert_eq!(routes(&in_force), [pair("/a", "a"), pair("/b", "b"), pair("/d", "b")]);

    // What was refused is no good version: the one before it stays as long as nothing better comes.
    let again = in_force.next(text, "f");
    assert_eq!(routes(&again.in_force.unwrap()), [pair("/a", "a"), pair("/b", "b"), pair("/d", "b")]);
}

#[test]
fn a_shape_that_is_wrong_and_a_value_that_is_wrong_are_both_found() {
    let text = FIRST
        .replace(
            "{match: {path: /a}, service: a, public: true}",
            "{match: {path: /a}, service: a, publik: true}",
        )
        .replace("service: b, public", "service: nobody, public");
    let next = first().next(&text, "f");
    let paths: Vec<String> = next.refused.iter().map(|refused| refused.problem.path.clone()).collect();
    assert_eq!(paths, ["gateway.routes[0].publik", "gateway.routes[1].service"]);
    assert!(next.refused.iter().all(|refused| refused.kept == Kept::LastGood));
    assert_eq!(routes(&next.in_force.unwrap()), [pair("/a", "a"), pair("/b", "b")]);
}

#[test]
fn services_and_keys_fall_back_too() {
    let text = FIRST.replace("127.0.0.1:2", "localhost").replace("drain: 3s", "drain: 3").replace(
        "services:",
        "listeners: {admin: 0.0.0.0}
rolse: [hub]
services:
  c: 7",
    );
    let next = first().next(&text, "f");
    assert_eq!(
        refused(&next),
        [
            ("listeners.admin".to_owned(), Kept::Nothing),
            ("rolse".to_owned(), Kept::Nothing),
            ("services.c".to_owned(), Kept::Nothing),
            ("services.b.address".to_owned(), Kept::LastGood),
            ("gateway.drain".to_owned(), Kept::LastGood),
        ]
    );
    let in_force = next.in_force.unwrap();
    assert_eq!(in_force.config(), first().config());
}

#[test]
fn a_last_good_version_that_does_not_fit_any_more_is_left_out() {
    // The route is wrong, and the service that its last good version leads to is gone.
    let text = "version: 1
services: {b: {address: '127.0.0.1:2'}}
gateway:
  routes:
    - {match: {path: /a}, service: nobody, public: true}
    - {match: {path: /b}, service: b, public: true}
";
    let next = first().next(text, "f");
    assert_eq!(refused(&next), [("gateway.routes[0].service".to_owned(), Kept::Nothing)]);
    assert_eq!(routes(&next.in_force.unwrap()), [pair("/b", "b")]);
}

#[test]
fn of_two_routes_for_the_same_requests_the_second_one_is_refused() {
    let text = format!("{FIRST}    - {{match: {{path: /a}}, service: b, public: true}}\n");
    let next = first().next(&text, "f");
    assert_eq!(refused(&next), [("gateway.routes[2].match.path".to_owned(), Kept::Nothing)]);
    assert_eq!(routes(&next.in_force.unwrap()), [pair("/a", "a"), pair("/b", "b")]);
}

#[test]
fn what_cannot_be_used_as_a_whole_changes_nothing() {
    for text in ["", "a: [1, 2\nb: 3\n", "7", "services: {}\n", "version: 2\nservices: {}\n"] {
        let next = first().next(text, "f");
        assert!(next.in_force.is_none(), "{text}");
        assert!(next.refused.iter().all(|refused| refused.kept == Kept::Everything), "{text}: {next:?}");
        assert!(!next.refused.is_empty() && next.parts == 1, "{text}");
    }
}

#[test]
fn however_many_routes_are_wrong_the_others_take_effect() {
    let mut text = FIRST.to_owned();
    for number in 0..350 {
        let service = if number % 2 == 0 { "a" } else { "nobody" };
        text.push_str(&format!("    - {{match: {{path: /r{number}}}, service: {service}, public: true}}\n"));
    }
    let next = first().next(&text, "f");
    assert_eq!((next.in_force.unwrap().config().gateway.routes.len(), next.parts), (2 + 175, 175));
    assert_eq!(next.refused.len(), mamparo_config::limits::PROBLEMS_MAX);
    assert_eq!(next.refused[99].problem.path, "gateway.routes[201].service");
}
