//! Routes: what they may say, and what is wrong with those that do not hold.

use std::fmt::Write;
use std::time::Duration;

use mamparo_config::{
    Config, PathRewrite, RequestKey, Route, RoutePath, RouteRedirect, RouteTarget, ValueMatch, check, limits,
};
use mamparo_context::Criticality;

/// A file with two services and these routes, each of which stands in a line of its own from the fifth on.
fn file(routes: &[&str]) -> String {
    let mut text = "version: 1\nservices: {a: {address: '127.0.0.1:1'}, b: {address: '127.0.0.1:2'}}\ngateway:\n  routes:\n".to_owned();
    for route in routes {
        let _ = writeln!(text, "  - {{public: true, {route}}}");
    }
    text
}

fn routes(routes: &[&str]) -> Vec<Route> {
    let config: Config = check(&file(routes), "f").unwrap_or_else(|problems| panic!("{problems:?}"));
    config.gateway.routes
}

#[track_caller]
fn expect(routes: &[&str], expected: &[&str]) {
    let problems = check(&file(routes), "f").expect_err("the file was accepted");
    let problems: Vec<String> = problems.iter().map(|one| one.to_string().replacen("f:", "", 1)).collect();
    assert_eq!(problems, expected, "{routes:#?}");
}

#[test]
fn one_match_or_several_say_which_requests_a_route_takes() {
    let routes = routes(&[
        "name: all, match: {}, service: a",
        "match: [{path: /x, exact: true}, {template: '/o/{id}', host: [A.org, '*.b.org'], methods: [PUT, GET]}], service: a",
        "match: {regex: '/v[0-9]+/.*', headers: {X-A: b, x-c: {regex: '[a-z]+'}}, query: {q: {present: true}, r: {exact: ''}}}, service: b",
        "match: {regex: '/v[0-9]+/.*', headers: {x-a: c}}, service: b",
    ]);
    let first = &routes[0];
    assert_eq!((first.name.as_str(), &first.matches[0].path), ("all", &RoutePath::Prefix("/".into())));
    let [exact, template] = &routes[1].matches[..] else { panic!("{routes:?}") };
    assert_eq!(exact.path, RoutePath::Exact("/x".into()));
    assert_eq!(template.path, RoutePath::Template("/o/{id}".into()));
    assert!(template.hosts.iter().eq(["*.b.org", "a.org"]) && template.methods.iter().eq(&["GET", "PUT"]));
    let third = &routes[2].matches[0];
    assert_eq!(third.path, RoutePath::Regex("/v[0-9]+/.*".into()));
    assert_eq!(third.headers["x-a"], ValueMatch::Exact("b".into()));
    assert_eq!(third.headers["x-c"], ValueMatch::Regex("[a-z]+".into()));
    assert_eq!(
        (&third.query["q"], &third.query["r"]),
        (&ValueMatch::Present, &ValueMatch::Exact(String::new()))
    );
    let names: Vec<&str> = routes[1..].iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["/x exactly", "~/v[0-9]+/.* x-a=b x-c~[a-z]+ q r=", "~/v[0-9]+/.* x-a=c"]);
}

#[test]
fn a_route_leads_to_services_elsewhere_or_to_an_answer() {
    let routes = routes(&[
        "match: {path: /a}, services: [{service: a, weight: 90}, {service: b, weight: 10}], mirror: {service: b, percent: 0.5}",
        "match: {path: /b}, service: a, failover: b, rewrite: {strip_prefix: true, host: 'inner:80'}",
        "match: {template: '/c/{id}'}, service: a, rewrite: {path: '/v2/{id}'}",
        "match: {path: /d}, redirect: {scheme: https, replace_prefix: /e, status: 308}",
        "match: {path: /f}, answer: {status: 410, headers: {cache-control: no-store}, body: gone}",
    ]);
    let RouteTarget::Services(first) = &routes[0].target else { panic!("{routes:?}") };
    assert_eq!(first.choice, [("a".to_owned(), 90), ("b".to_owned(), 10)]);
    assert_eq!(first.mirror, Some(("b".to_owned(), 0.5)));
    let RouteTarget::Services(second) = &routes[1].target else { panic!("{routes:?}") };
    assert_eq!((second.failover.as_deref(), second.host.as_deref()), (Some("b"), Some("inner:80")));
    assert_eq!(second.path, Some(PathRewrite::Prefix("/".into())));
    let RouteTarget::Services(third) = &routes[2].target else { panic!("{routes:?}") };
    assert_eq!(third.path, Some(PathRewrite::Full("/v2/{id}".into())));
    let path = Some(PathRewrite::Prefix("/e".into()));
    let redirect = RouteRedirect { scheme: Some("https"), host: None, port: None, path, status: 308 };
    assert_eq!(routes[3].target, RouteTarget::Redirect(redirect));
    let RouteTarget::Answer(answer) = &routes[4].target else { panic!("{routes:?}") };
    assert_eq!((answer.status, answer.body.as_str(), answer.headers.len()), (410, "gone", 1));
}

#[test]
fn what_a_match_cannot_ask_is_told_with_what_to_say() {
    expect(
        &[
            "match: {path: '/a/{id}'}, service: a",
            "match: {template: /a}, service: a",
            "match: {template: '/a/{i-d}'}, service: a",
            "match: {template: '/a/x{id}'}, service: a",
            "match: {template: '/{a}/{a}'}, service: a",
            "match: [{path: /b}, {path: /c, regex: /d}], service: a",
            "match: {regex: '/e('}, service: a",
            "match: {regex: 'f.*'}, service: a",
            "match: {path: '/g?x=1'}, service: a",
            "match: {path: /%61}, service: a",
            "match: {path: /%2f}, service: a",
            "match: {path: /h, host: ['http://x', x.org]}, service: a",
            "match: {template: '/i/{x}', exact: true}, service: a",
        ],
        &[
            "5:34: gateway.routes[0].match.path: a path has no `{`; say `template` for a path with variables",
            "6:38: gateway.routes[1].match.template: a template has variables; say `path` and `exact: true` for a path without",
            "7:38: gateway.routes[2].match.template: `{i-d}` is not a variable; a variable is a word: {id}",
            "8:38: gateway.routes[3].match.template: a variable is a whole segment, not `x{id}`; say `regex` for parts of a segment",
            "9:38: gateway.routes[4].match.template: the variable `a` stands here twice",
            "10:58: gateway.routes[5].match[1].regex: a path is described by `path` or by `regex`, not by both; two descriptions are two items of `match`",
            "11:35: gateway.routes[6].match.regex: `/e(` is not an expression that can be tried: unclosed group",
            "12:35: gateway.routes[7].match.regex: a path begins with /; did you mean `/f.*`?",
            "13:34: gateway.routes[8].match.path: a path has no `?`; say `query` for what stands behind it",
            "14:34: gateway.routes[9].match.path: `%61` need not be escaped; write `a`",
            "15:34: gateway.routes[10].match.path: escapes are in upper case; write `%2F`",
            "16:44: gateway.routes[11].match.host: `http://x` is not a host; a host alone, without scheme and port: shop.example or *.shop.example",
            "17:55: gateway.routes[12].match.exact: `exact` is said of a `path`; leave it out",
        ],
    );
    expect(
        &[
            "match: {path: /a, headers: {'a b': x}}, service: a",
            "match: {path: /b, headers: {Host: x}}, service: a",
            "match: {path: /c, headers: {x-a: 1, X-A: y}}, service: a",
            "match: {path: /d, query: {q: {regx: a}}}, service: a",
            "match: 5, service: a",
        ],
        &[
            "7:53: gateway.routes[2].match.headers.x-a: expected a text or a mapping with one of exact, regex, present, found a number; write \"1\"",
            "8:50: gateway.routes[3].match.query.q.regx: unknown key `regx`; did you mean `regex`?",
            "9:27: gateway.routes[4].match: expected a mapping or a list, found a number; write [5]",
        ],
    );
    expect(
        &[
            "match: {path: /a, headers: {'a b': x}}, service: a",
            "match: {path: /b, headers: {Host: x}}, service: a",
            "match: {path: /c, headers: {x-a: x, X-A: y}}, service: a",
            "match: {path: /d, query: {q: {regex: '['}}}, service: a",
            "match: {path: /e, query: {q: {present: false}}}, service: a",
            "match: {path: /f, headers: {q: ' x'}}, service: a",
        ],
        &[
            "5:48: gateway.routes[0].match.headers.a b: `a b` is not a name of a header; letters, digits and -",
            "6:48: gateway.routes[1].match.headers.Host: the host is not a header here; say `host` beside `headers`",
            "7:48: gateway.routes[2].match.headers.x-a: `x-a` is asked for twice",
            "8:46: gateway.routes[3].match.query.q: `[` is not an expression that can be tried: unclosed character class",
            "9:46: gateway.routes[4].match.query.q: a route cannot ask that something be absent; leave it out where it need not be there",
            "10:48: gateway.routes[5].match.headers.q: no header has such a value",
        ],
    );
}

#[test]
fn where_a_route_cannot_lead_is_told_with_what_to_say() {
    expect(
        &[
            "match: {path: /a}",
            "match: {path: /b}, service: a, redirect: {path: /c}",
            "match: {path: /c}, services: [{service: a}, {service: aa}, {service: a}]",
            "match: {path: /d}, services: [{service: a, weight: 0}]",
            "match: {path: /e}, service: a, failover: a",
            "match: {path: /f}, service: a, mirror: {service: c}",
            "match: {path: /g, exact: true}, service: a, rewrite: {strip_prefix: true}",
            "match: {template: '/h/{id}'}, service: a, rewrite: {path: '/{ib}'}",
            "match: {path: /i}, service: a, rewrite: {path: /j, replace_prefix: /k}",
            "match: {path: /j}, service: a, rewrite: {host: 'a b'}",
            "match: {path: /k}, redirect: {host: x.org, status: 304}",
            "match: {path: /l}, redirect: {}, timeout: 5s",
            "match: {path: /m}, answer: {headers: {content-length: '5'}}, mirror: {service: a}",
            "match: {path: /n}, service: a, name: none",
            "match: {path: /o}, service: a, name: x",
            "match: {path: /p}, service: a, name: x",
            "match: {path: /q}, redirect: {path: /r}, retry: {attempts: 2}, replay: 1KiB",
            "match: {path: /r}, answer: {}, replay: 1KiB",
        ],
        &[
            "5:20: gateway.routes[0].match: the route leads nowhere; say `service`, `services`, `redirect` or `answer`",
            "6:51: gateway.routes[1].redirect: a route has either `service` or `redirect`, not both; leave one of them out",
            "7:74: gateway.routes[2].services[1].service: there is no service `aa`; did you mean `a`?",
            "7:89: gateway.routes[2].services[2].service: `a` stands here twice; one entry with the sum of the weights",
            "8:49: gateway.routes[3].services: no service gets a request; give one of them a weight over 0",
            "9:61: gateway.routes[4].failover: `a` cannot stand in for itself",
            "10:69: gateway.routes[5].mirror.service: there is no service `c`; did you mean `a`?",
            "11:88: gateway.routes[6].rewrite.strip_prefix: `match` has no prefix to replace; say `path` for the whole path",
            "12:78: gateway.routes[7].rewrite.path: not every match has the variable `ib`; did you mean `id`?",
            "13:87: gateway.routes[8].rewrite.replace_prefix: either `path` or `replace_prefix`, not both; leave one of them out",
            "14:67: gateway.routes[9].rewrite.host: `a b` is not a host; such as orders.internal:8080",
            "15:71: gateway.routes[10].redirect.status: 304 is not a redirect; 301, 302, 303, 307 or 308",
            "16:49: gateway.routes[11].redirect: this leads to where the client is already; say `scheme`, `host`, `port`, `path` or `replace_prefix`",
            "16:53: gateway.routes[11].timeout: a `redirect` has no `timeout`; leave it out: no service is asked",
            "17:58: gateway.routes[12].answer.headers.content-length: `content-length` is added as it must be; leave it out",
            "17:81: gateway.routes[12].mirror: an `answer` has no `mirror`; leave it out: no service is asked",
            "18:57: gateway.routes[13].name: `none` is a name of Mamparo's own; choose another name",
            "20:57: gateway.routes[15].name: another route is called `x` already",
            "21:61: gateway.routes[16].retry: a `redirect` has no `retry`; leave it out: no service is asked",
            "21:83: gateway.routes[16].replay: a `redirect` has no `replay`; leave it out: no service is asked",
            "22:51: gateway.routes[17].replay: an `answer` has no `replay`; leave it out: no service is asked",
        ],
    );
}

#[test]
fn a_route_that_leaves_another_nothing_is_told_with_the_place_of_the_other() {
    expect(
        &[
            "match: {path: /a}, service: a",
            "match: [{path: /x}, {path: /a/}], service: b",
            "match: {template: '/t/{id}'}, service: a",
            "match: {template: '/t/{what}', methods: [GET]}, service: a",
            "match: {template: '/t/{other}'}, service: b",
            "match: {regex: '/a/[0-9]+'}, service: b",
            "match: {regex: '/b/[0-9]+'}, service: b",
            "match: {path: /c, headers: {x-a: b, x-c: d}}, service: a",
            "match: {path: /c, headers: {X-C: d, x-a: b}}, service: b",
            "match: {path: /c, headers: {x-a: b, x-c: e}}, service: b",
            "match: {path: /d, host: [x.org, y.org]}, service: b",
            "match: {path: /d, host: y.org}, service: b",
            "match: {path: /}, service: b",
        ],
        &[
            "6:47: gateway.routes[1].match[1].path: gateway.routes[0] takes the same requests",
            "9:38: gateway.routes[4].match.template: gateway.routes[2] takes the same requests",
            "10:35: gateway.routes[5].match.regex: gateway.routes[0] takes all of its requests before it; \
             a prefix goes before an expression: say `template`, or give the prefix an expression too",
            "13:34: gateway.routes[8].match.path: gateway.routes[7] takes the same requests",
            "16:34: gateway.routes[11].match.path: gateway.routes[10] takes the same requests",
        ],
    );
}

#[test]
fn ten_thousand_routes_load_and_one_more_does_not() {
    let all = |count: usize| {
        let routes: Vec<String> = (0..count)
            .map(|n| format!("match: {{host: h{}.org, path: /p{n}}}, service: a", n % 100))
            .collect();
        file(&routes.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let config = check(&all(limits::ROUTES_MAX), "f").unwrap();
    assert_eq!(config.gateway.routes.len(), limits::ROUTES_MAX);
    let problems = check(&all(limits::ROUTES_MAX + 1), "f").unwrap_err();
    assert_eq!(problems[0].message, "10001 routes, at most 10000 are read");
}

#[test]
fn expressions_are_bounded_in_size_and_in_number() {
    let many = |count: usize| -> Vec<String> {
        (0..count).map(|n| format!("match: {{regex: '/a{n}/[0-9]+'}}, service: a")).collect()
    };
    let check_all = |routes: &[String]| {
        let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
        check(&file(&routes), "f").map(drop).map_err(|problems| problems[0].message.clone())
    };
    assert_eq!(check_all(&many(limits::REGEXES_PER_HOST_MAX)), Ok(()));
    let one_more = check_all(&many(limits::REGEXES_PER_HOST_MAX + 1));
    assert!(one_more.is_err_and(|message| message.ends_with("its host has 256 others already")));
    // What a route takes besides, so that pages of other origins may ask it, is tried with the rest.
    let crossing = |methods: &str, count: usize| -> Vec<String> {
        many(count)
            .iter()
            .map(|route| {
                let route = route.replace("{regex", &format!("{{methods: [{methods}], regex"));
                format!("{route}, transform: {{cors: {{origins: ['https://shop.example']}}}}")
            })
            .collect()
    };
    assert_eq!(check_all(&crossing("GET", 128)), Ok(()));
    let one_more = check_all(&crossing("GET", 129));
    assert!(
        one_more
            .as_ref()
            .is_err_and(|message| message.ends_with("its host has over 256, 1 for preflight requests in it")),
        "{one_more:?}"
    );
    assert!(
        check_all(&crossing("GET, PUT, POST", 64)).is_ok()
            && check_all(&crossing("GET, PUT, POST", 65)).is_err()
    );
    assert_eq!(check_all(&crossing("GET, OPTIONS", 256)), Ok(()));
    let large = ["match: {regex: '/[a-z]{9999}'}, service: a".to_owned()];
    assert!(check_all(&large).is_err_and(|message| message.contains("exceeded limit of 65536")));
    let some = |n: usize| format!("match: {{path: /a, headers: {{x: {{regex: 'a{n}'}}}}}}, service: a");
    let values: Vec<String> = (0..=limits::REGEXES_OF_VALUES_MAX).map(some).collect();
    assert!(check_all(&values).is_err_and(|message| message.ends_with("there are 1024 others already")));
}

#[test]
fn the_file_of_the_page_about_routes_is_sound() {
    let page = include_str!("../../../../docs/routes.md");
    let text = page.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0;
    let config = check(text, "routes.md").unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(config.gateway.routes.len(), 5);
}

#[test]
fn a_cache_that_cannot_work_is_told_with_its_place() {
    expect(
        &[
            "match: {path: /a}, service: a, cache: {capacity_bytes: 0}",
            "match: {path: /b}, service: a, cache: {object_bytes_max: 16777216}",
            "match: {path: /c}, service: a, cache: {wait: 61s}",
            "match: {path: /d}, redirect: {path: /a}, cache: {}",
        ],
        &[
            "5:75: gateway.routes[0].cache.capacity_bytes: from 1 to 2^40",
            "6:77: gateway.routes[1].cache.object_bytes_max: at most an eighth of capacity_bytes",
            "7:65: gateway.routes[2].cache.wait: at most 60s",
            "8:61: gateway.routes[3].cache: a `redirect` has no `cache`; leave it out: no service is asked",
        ],
    );
}

#[test]
fn hints_go_on_only_where_they_can() {
    let routes = routes(&[
        "match: {path: /a}, service: a, early_hints: true",
        "match: {path: /b}, service: a, early_hints: false, transform: {headers: {answer: {remove: [x]}}}",
        "match: {path: /c}, service: a, early_hints: true, transform: {compress: {}}",
    ]);
    assert_eq!(routes.iter().map(|route| route.early_hints).collect::<Vec<_>>(), [true, false, true]);
    expect(
        &[
            "match: {path: /a}, service: a, early_hints: true, transform: {headers: {answer: {remove: [x]}}}",
            "match: {path: /b}, answer: {}, early_hints: true",
        ],
        &[
            "5:51: gateway.routes[0].early_hints: hints would go past the rules for headers of answers; leave out one of `early_hints` and `transform.headers.answer`",
            "6:51: gateway.routes[1].early_hints: an `answer` has no `early_hints`; leave it out: no service is asked",
        ],
    );
    let text = "version: 1\nservices: {a: {address: '127.0.0.1:1', protocol: http2}}\ngateway:\n  upgrade_ready: 0s\n  \
                routes: [{match: {path: /}, service: a, public: true, early_hints: true}]\n";
    let problems = check(text, "f").expect_err("the file was accepted");
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let expected = [
        "f:4:18: gateway.upgrade_ready: no program is ready within no time",
        "f:5:57: gateway.routes[0].early_hints: what the service `a` hints at over HTTP/2 does not arrive here; leave it out, or say `http1`",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn what_a_route_changes_on_the_way_is_read_and_checked() {
    let routes = routes(&[
        "match: {template: '/a/{id}'}, service: a, transform: {headers: {request: {set: {x: '{id} {client_ip}'}}}, compress: {}}",
        "match: {path: /b}, answer: {}, transform: {cors: {origins: ['https://shop.example']}}, server_timing: true",
        "match: {path: /c}, service: a, transform: {template: {request: {body: {n: 1, a: [null, true, '{body.x}']}}}}",
    ]);
    assert!(routes[0].transform.as_ref().is_some_and(|own| own.compress.is_some() && own.cors.is_none()));
    assert!(routes[1].transform.as_ref().is_some_and(|own| own.cors.is_some()));
    let template = routes[2].transform.as_ref().unwrap().template.request.as_ref().unwrap();
    assert_eq!(template.body.to_string(), r#"{"a":[null,true,"{body.x}"],"n":1}"#);
    assert_eq!(routes.iter().map(|route| route.server_timing).collect::<Vec<_>>(), [false, true, false]);
    expect(
        &[
            "match: {path: /a}, service: a, transform: {cors: {origins: ['https://x.org', 'x']}}",
            "match: {template: '/b/{id}'}, service: a, transform: {headers: {answer: {set: {x: '{ib}'}}}}",
            "match: [{template: '/c/{id}'}, {path: /c}], service: a, transform: {headers: {request: {set: {x: '{id}'}}}}",
            "match: {path: /d}, service: a, transform: {external: {service: hooks}}",
            "match: {path: /e}, service: a, transform: {grpc_web: {}}",
            "match: {path: /f}, redirect: {path: /g}, transform: {compress: {}, headers: {answer: {remove: [x]}}}",
            "match: {path: /g}, service: a, transform: {headers: {request: {set: {host: x}}}}",
        ],
        &[
            "5:97: gateway.routes[0].transform.cors.origins[1]: `x` is not an origin such as https://shop.example",
            "6:73: gateway.routes[1].transform: not every match has the variable `ib`; did you mean `id`?",
            "7:87: gateway.routes[2].transform: not every match has the variable `id`; did you mean `id`?",
            "8:83: gateway.routes[3].transform.external.service: there is no service `hooks`; services that are there: a, b",
            "9:63: gateway.routes[4].transform.grpc_web: the service `a` is spoken to over HTTP/1.1, which carries no gRPC; say `services: {a: {protocol: http2}}`",
            "10:73: gateway.routes[5].transform.compress: a `redirect` has no `compress`; leave it out: no service is asked",
            "11:95: gateway.routes[6].transform.headers.request.set.host: belongs to the connection or to the framing of the message, and cannot be changed",
        ],
    );
}

#[test]
fn what_clients_may_ask_for_and_how_much_it_matters_is_said_by_the_route() {
    let routes = routes(&[
        "match: {path: /a}, service: a, rate_limits: [{by: address, rate: 100, per: 1m, burst: 20}, \
         {by: 'header:X-Api-Key', rate: 5, clients: 1000, mode: shadow}], criticality: sheddable-plus, hedge: {percentile: 99}",
        "match: {path: /b}, answer: {}, rate_limits: [{by: 'cookie:sid', rate: 1}]",
        "match: {path: /c}, service: a, policies: {shed: {}, adaptive: {}, fault_injection: {error_percent: 1, allow_in_release: true}}",
    ]);
    let [address, key] = &routes[0].rate_limits[..] else { panic!("{routes:?}") };
    assert_eq!((&address.by, address.limit.quota.burst), (&RequestKey::Address, Some(20)));
    assert_eq!(address.limit.quota.per, Duration::from_secs(60));
    assert_eq!((&key.by, key.limit.keys), (&RequestKey::Header("x-api-key".into()), 1000));
    assert_eq!(routes[0].criticality, Some(Criticality::SheddablePlus));
    assert!(routes[0].hedge.is_some() && routes[0].policies.is_none());
    assert_eq!(routes[1].rate_limits[0].by, RequestKey::Cookie("sid".into()));
    assert!(routes[2].policies.as_ref().is_some_and(|own| own.shed.is_some()));
}

#[test]
fn policies_that_cannot_work_are_told_at_their_place() {
    expect(
        &[
            "match: {path: /a}, service: a, rate_limits: [{by: path, rate: 1}, {by: 'header:', rate: 1, clients: 1}]",
            "match: {path: /b}, service: a, retry: {}, hedge: {}",
            "match: {path: /c}, service: a, hedge: {percentile: 5}",
            "match: {path: /d}, service: a, policies: {shed: {}}",
            "match: {path: /e}, redirect: {host: x}, hedge: {}, criticality: critical",
            "match: {path: /f}, service: a, policies: {fault_injection: {error_percent: 101, principal: ana}}",
        ],
        &[
            "5:70: gateway.routes[0].rate_limits[0].by: `path` does not tell clients apart; say address, header:<name> or cookie:<name>",
            "5:91: gateway.routes[0].rate_limits[1].by: `header:` does not tell clients apart; say address, header:<name> or cookie:<name>",
            "6:62: gateway.routes[1].hedge: a route has either `retry` or `hedge`, not both; leave one of them out",
            "7:71: gateway.routes[2].hedge.percentile: from 50 to 99.99",
            "8:68: gateway.routes[3].policies.shed: nothing says when there is too much to do; say `policies.adaptive` beside it, or `gateway.guard`",
            "9:60: gateway.routes[4].hedge: a `redirect` has no `hedge`; leave it out: no service is asked",
            "9:71: gateway.routes[4].criticality: a `redirect` has no `criticality`; leave it out: no service is asked",
            "10:95: gateway.routes[5].policies.fault_injection.error_percent: from 0 to 100",
            "10:111: gateway.routes[5].policies.fault_injection.principal: nothing here can prove who calls yet, so that nobody would be hit; leave it out, or say `criticality`",
        ],
    );
    let guarded = file(&["match: {}, service: a, policies: {shed: {}}"]) + "  guard: {cpu: 0.9}\n";
    assert!(check(&guarded, "f").unwrap().gateway.guard.is_some());
    let wrong = check(&(file(&[]).replace("  routes:\n", "  guard: {cpu: 9}\n")), "f").unwrap_err();
    assert_eq!(wrong[0].to_string(), "f:4:16: gateway.guard.cpu: 9 is too large; at most 1");
}
