//! Files that do not hold together: each with the places and the words it is answered with.

use mamparo_config::{check, limits};

/// The problems of a file, as `line:column path: message; suggestion`.
fn problems(text: &str) -> Vec<String> {
    let problems = check(text, "f").expect_err("the file was accepted");
    problems.iter().map(|problem| problem.to_string().replacen("f:", "", 1)).collect()
}

#[track_caller]
fn expect(text: &str, expected: &[&str]) {
    assert_eq!(problems(text), expected, "\n{text}");
}

#[test]
fn unknown_keys_are_answered_with_the_likely_one() {
    expect("version: 1\nrolse: [hub]\n", &["2:1: rolse: unknown key `rolse`; did you mean `roles`?"]);
    expect(
        "version: 1\ngateway:\n  routs: []\n  worker: 2\n",
        &[
            "3:3: gateway.routs: unknown key `routs`; did you mean `routes`?",
            "4:3: gateway.worker: unknown key `worker`; did you mean `workers`?",
        ],
    );
    expect(
        "version: 1\nlisteners: {metrics: '127.0.0.1:1'}\n",
        &[
            "2:13: listeners.metrics: unknown key `metrics`; keys that may stand here: admin, gateway, gateway_tls, hub, mesh",
        ],
    );
}

#[test]
fn values_of_another_kind_are_answered_with_what_to_write() {
    expect(
        "version: 1\ntopics:\n  a: {kind: quue}\n  b: {kind: queue, visibility: 30}\n  c: {kind: queue, visibility: 30sec}\n",
        &[
            "3:13: topics.a.kind: unknown word `quue`; did you mean `queue`?",
            "4:32: topics.b.visibility: expected a duration, found a number; a duration has a unit: 30ms or 30s",
            "5:32: topics.c.visibility: `30sec` is not a duration; a duration has a unit: 250ms, 5s, 2m, 1h",
        ],
    );
    expect(
        "version: 1\nroles: hub\nservices:\n  orders:\n  payments: {address: localhost}\n",
        &[
            "2:8: roles: expected a list, found a text; write [hub]",
            "4:9: services.orders: expected a mapping, found nothing; write {} where nothing needs to be said",
            "5:23: services.payments.address: `localhost` is not an address; an address is an IP and a port: 127.0.0.1:8080",
        ],
    );
    expect(
        "version: 1\napplications:\n  a: {command: [sleep, 5], env: {N: 1}}\n  b: {command: []}\n",
        &[
            "3:24: applications.a.command[1]: expected a text, found a number; write \"5\"",
            "3:37: applications.a.env.N: expected a text, found a number; write \"1\"",
            "4:16: applications.b.command: needs at least 1 item",
        ],
    );
    expect("version: 2\n", &["1:10: version: 2 is too large; at most 1"]);
    expect("data: x\n", &["1:1: `version` is missing; `version`: The version of this format"]);
    expect("- 1\n", &["1:1: expected a mapping, found a list"]);
    expect("", &["1:1: expected a mapping, found nothing; write {} where nothing needs to be said"]);
}

#[test]
fn a_route_is_closed_unless_it_says_otherwise() {
    let route = |rest: &str| {
        format!(
            "version: 1\nservices: {{orders: {{address: '127.0.0.1:1'}}}}\ngateway:\n  routes:\n    - match: {{path: /orders}}\n      service: orders\n{rest}"
        )
    };
    let says_nothing = "gateway.routes[0].match: the route does not say who may use it; \
                        say `public: true` if nothing is required of the caller";
    expect(&route(""), &[&format!("5:7: {says_nothing}")]);
    expect(
        &route("      public: false\n"),
        &[&format!("7:7: {says_nothing}").replace(".match:", ".public:")],
    );
    expect(
        &route("      require: {identity: true}\n"),
        &[
            "7:7: gateway.routes[0].require: nothing here can prove who calls yet, so this route would never open; \
           leave the route out, or say `public: true` if everybody may use it",
        ],
    );
    expect(
        &route("      public: true\n      require: {identity: true}\n"),
        &[
            "8:7: gateway.routes[0].require: a route is either public or requires something, not both; leave one of them out",
        ],
    );
    assert!(check(&route("      public: true\n"), "f").is_ok());
}

#[test]
fn references_lead_to_what_is_there() {
    expect(
        "version: 1
services: {orders: {}, stock: {}}
gateway:
  routes:
    - {match: {path: orders}, service: ordres, public: true}
    - {match: {path: /b/}, service: stock, public: true, timeout: 0s}
    - {match: {path: /b}, service: stock, public: true}
topics:
  work: {kind: queue, subscribe: [facst, work], partitions: 2}
  facts: {kind: log, visibility: 1s}
applications:
  orders: {command: [a], service: orders}
  other: {command: [a], service: orders}
  hub: {command: [a]}
",
        &[
            "2:24: services.stock: nobody serves `stock`; give it an `address`, or an application with `service`",
            "5:22: gateway.routes[0].match.path: a path begins with /; did you mean `/orders`?",
            "5:40: gateway.routes[0].service: there is no service `ordres`; did you mean `orders`?",
            "6:67: gateway.routes[1].timeout: no service answers within no time",
            "7:22: gateway.routes[2].match.path: gateway.routes[1] takes the same requests",
            "9:35: topics.work.subscribe[0]: there is no topic `facst`; did you mean `facts`?",
            "9:42: topics.work.subscribe[1]: a queue cannot subscribe to itself",
            "9:49: topics.work.partitions: a queue has no `partitions`; leave it out, or make it a log",
            "10:22: topics.facts.visibility: a log has no `visibility`; leave it out, or make it a queue",
            "13:34: applications.other.service: application `orders` serves `orders` already",
            "14:3: applications.hub: `hub` is a name of Mamparo's own; choose another name",
        ],
    );
}

#[test]
fn addresses_are_taken_once_and_stay_on_the_machine() {
    expect(
        "version: 1\nlisteners: {gateway: '127.0.0.1:9900', hub: '0.0.0.0:9910'}\nservices: {a: {address: '127.0.0.1:9900'}, B: {address: '127.0.0.1:0'}}\n",
        &[
            "2:22: listeners.gateway: 127.0.0.1:9900 is taken by admin already",
            "2:45: listeners.hub: 0.0.0.0:9910 can be reached from other machines, and nobody is asked who calls; use a loopback address: 127.0.0.1:9910",
            "3:25: services.a.address: 127.0.0.1:9900 is taken by admin already",
            "3:44: services.B: `B` is not a name; a to z, 0 to 9 and - between them, at most 63",
        ],
    );
}

#[test]
fn a_collector_that_cannot_be_reached_this_way_is_refused() {
    expect(
        "version: 1\ntelemetry: {otlp_endpoint: 'https://c:4318', sample: 2}\n",
        &["2:54: telemetry.sample: 2 is too large; at most 1"],
    );
    expect(
        "version: 1\ntelemetry: {otlp_endpoint: 'https://c:4318'}\n",
        &["2:28: telemetry.otlp_endpoint: `https://c:4318` is not the base URL of a collector; such as \
             http://127.0.0.1:4318; spans are not sent through TLS, so let a collector on this machine hand them on"],
    );
}

#[test]
fn text_that_is_not_yaml_and_text_without_end_are_refused() {
    let first = |text: &str| problems(text).swap_remove(0);
    assert!(first("version: 1\ndata: [1\n").starts_with("2:7: "), "{}", first("version: 1\ndata: [1\n"));
    assert!(first("version: 1\nversion: 1\n").starts_with("2:1: "), "{}", first("version: 1\nversion: 1\n"));
    let long = "#".repeat(limits::FILE_BYTES_MAX + 1);
    assert!(first(&long).contains("at most 8388608 are read"));
    let many: String = (0..500).map(|n| format!("k{n}: 1\n")).collect();
    assert_eq!(check(&many, "f").unwrap_err().len(), limits::PROBLEMS_MAX);
    let deep = format!("version: {}1{}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(check(&deep, "f").unwrap_err().len(), 1);
}

#[test]
fn policies_of_a_route_are_checked_with_their_place() {
    let file = |policies: &str| {
        format!(
            "version: 1\nservices: {{a: {{address: '127.0.0.1:1'}}}}\ngateway:\n  routes:\n  - match: {{path: /}}\n    service: a\n    public: true\n    policies:\n      {policies}\n"
        )
    };
    expect(
        &file("braker: {}"),
        &["9:7: gateway.routes[0].policies.braker: unknown key `braker`; did you mean `breaker`?"],
    );
    expect(
        &file("breaker: {minimum_calls: 500}"),
        &["9:32: gateway.routes[0].policies.breaker.minimum_calls: at most as many as are in the window"],
    );
    expect(
        &file("bulkhead: {calls: 8, wait: 5}"),
        &[
            "9:34: gateway.routes[0].policies.bulkhead.wait: expected a duration, found a number; a duration has a unit: 5ms or 5s",
        ],
    );
    let sound = file("rate_limit: {rate: 100, per: 1s, burst: 20}");
    let config = mamparo_config::check(&sound, "f").expect("it is sound");
    assert!(config.gateway.routes[0].policies.as_ref().is_some_and(|policies| policies.rate_limit.is_some()));
}

#[test]
fn a_service_is_in_one_place_and_spoken_to_in_one_way() {
    let problems = |service: &str| {
        let text = format!("version: 1\nservices:\n  a: {service}\n");
        let problems = check(&text, "f").map(|_| ()).unwrap_err();
        problems.into_iter().map(|one| format!("{} {}", one.path, one.message)).collect::<Vec<_>>()
    };
    for (service, told) in [
        (
            "{address: '127.0.0.1:1', dns: {name: 'a:1'}}",
            "services.a.dns where it listens is said by `address` already",
        ),
        ("{dns: {name: 'a'}}", "services.a.dns.name `a` is not a name and a port"),
        ("{dns: {name: 'a:1', every: 1ms}}", "services.a.dns.every at least 100ms"),
        (
            "{address: '127.0.0.1:1', key: body}",
            "services.a.key `body` is nothing that requests have in common",
        ),
        (
            "{address: '127.0.0.1:1', balance: {panic_percent: 150}}",
            "services.a.balance.panic_percent from 0 to 100",
        ),
        (
            "{address: '127.0.0.1:1', tls: {alpn: [h2]}}",
            "services.a.tls.alpn what is spoken inside follows from `protocol`",
        ),
        (
            "{address: '127.0.0.1:1', tls: {client_cert: a.pem}}",
            "services.a.tls client_cert is there and needs its private key",
        ),
    ] {
        let all = problems(service);
        assert!(all.iter().any(|one| one.starts_with(told)), "{service}: {all:?}");
    }
}

#[test]
fn certificates_and_the_address_that_shows_them_come_together() {
    let told = |text: &str| {
        let problems = check(&format!("version: 1\n{text}"), "f").map(|_| ()).unwrap_err();
        problems.into_iter().map(|one| format!("{} {}", one.path, one.message)).collect::<Vec<_>>()
    };
    assert_eq!(
        told("listeners: {gateway_tls: '127.0.0.1:8443'}\n"),
        ["listeners.gateway_tls there are no certificates for it"]
    );
    assert_eq!(
        told("gateway: {tls: {certificates: [{cert: a, key: b}]}}\n"),
        ["gateway.tls nothing listens with these certificates"]
    );
    assert_eq!(
        told("listeners: {gateway_tls: '127.0.0.1:8443'}\ngateway: {tls: {certificates: []}}\n"),
        ["gateway.tls.certificates at least one, with `cert` and `key`"]
    );
}

#[test]
fn a_field_that_no_line_has_is_answered_with_the_likely_one() {
    let text = "version: 1\ngateway: {access_log: {fields: [status, durations_us]}}\n";
    let problems = check(text, "f").map(|_| ()).unwrap_err();
    assert_eq!(problems[0].path, "gateway.access_log.fields[1]");
    assert!(
        problems[0].suggestion.as_deref().is_some_and(|help| help.contains("duration_us")),
        "{problems:?}"
    );
}

#[test]
fn hops_that_cannot_be_trusted_are_named() {
    expect(
        "version: 1\ngateway:\n  forwarded: {trusted_hops: 33, trusted_networks: [10.0.0.0/8, 10.0.0.1/8]}\n",
        &["3:29: gateway.forwarded.trusted_hops: at most 32"],
    );
    expect(
        "version: 1\ngateway:\n  forwarded:\n    trusted_networks: [10.0.0.0/8, 10.0.0.1/8]\n    read: x-real-ip\n",
        &[
            "5:11: gateway.forwarded.read: unknown word `x-real-ip`; words that may stand here: x-forwarded, forwarded",
        ],
    );
    expect(
        "version: 1\ngateway:\n  forwarded:\n    trusted_networks: [10.0.0.0/8, 10.0.0.1/8]\n",
        &[
            "4:36: gateway.forwarded.trusted_networks[1]: `10.0.0.1/8` is not a network such as 10.0.0.0/8 or 2001:db8::/32, with no bits set behind its prefix",
        ],
    );
}
