//! Files that hold together, and what they become.

use std::time::Duration;

use mamparo_config::{Role, RoutePath, Topic, check, reference, schema};
use mamparo_http_cache::HttpCacheConfig;

const SHOP: &str = include_str!("../../../../mamparo.yaml");

#[test]
fn the_file_of_the_shop_is_sound() {
    let config = check(SHOP, "mamparo.yaml").unwrap();
    assert_eq!(config.gateway.routes.len(), 5);
    assert_eq!(config.applications["orders"].service.as_deref(), Some("orders"));
    assert_eq!(config.listeners.admin.to_string(), "127.0.0.1:9900");
}

#[test]
fn what_is_left_out_has_a_default() {
    let config = check("version: 1\n", "m.yaml").unwrap();
    assert_eq!(config.data.to_str(), Some("./.mamparo"));
    assert!(config.roles.contains(&Role::Gateway) && config.roles.contains(&Role::Hub));
    assert_eq!(config.gateway.limits.body, 8 << 20);
    assert_eq!(config.log.level, "info");
    assert_eq!((config.telemetry.otlp_endpoint, config.telemetry.sample), (None, 1.0));
}

#[test]
fn values_are_read_with_their_units() {
    let text = "
version: 1
roles: [hub]
listeners: {gateway: '0.0.0.0:80', hub: '[::1]:7000'}
services: {orders: {address: 127.0.0.1:7001}}
gateway:
  routes:
    - match: {host: Shop.Example, path: /a/, methods: [GET, HEAD]}
      service: orders
      public: true
      timeout: 250ms
      body: 64KiB
topics:
  work: {kind: queue, visibility: 2m, subscribe: [facts], max_attempts: 3}
  facts: {kind: log, partitions: 8, retention: 7d}
applications:
  orders: {command: [orders-service, --fast], service: orders, env: {TOKEN: secret}}
";
    let config = check(text, "m.yaml").unwrap();
    let route = &config.gateway.routes[0];
    assert_eq!((route.timeout, route.body), (Duration::from_millis(250), Some(65_536)));
    let one = &route.matches[0];
    assert!(one.hosts.iter().eq(["shop.example"]) && one.path == RoutePath::Prefix("/a".into()), "{one:?}");
    let Topic::Queue(work) = &config.topics["work"] else { panic!("{:?}", config.topics) };
    assert_eq!((work.visibility, work.max_attempts), (Duration::from_secs(120), 3));
    let Topic::Log(facts) = &config.topics["facts"] else { panic!("{:?}", config.topics) };
    assert_eq!((facts.partitions, facts.retention), (8, Some(Duration::from_secs(604_800))));
    let printed = serde_json::to_string(&config).unwrap();
    assert!(printed.contains(r#""timeout":"250ms""#), "{printed}");
    assert!(!printed.contains("secret"), "the environment of an application is never printed");
}

#[test]
fn spans_go_to_a_collector() {
    let endpoint = |text: &str| {
        let text = format!("version: 1\ntelemetry: {{otlp_endpoint: '{text}', sample: 0.25}}\n");
        check(&text, "m.yaml")
            .map(|config| (config.telemetry.otlp_endpoint.unwrap(), config.telemetry.sample))
    };
    assert_eq!(endpoint("http://127.0.0.1:4318/").unwrap(), ("http://127.0.0.1:4318".to_owned(), 0.25));
    assert_eq!(endpoint("http://[::1]:4318/otlp").unwrap().0, "http://[::1]:4318/otlp");
    for wrong in
        ["", "127.0.0.1:4318", "https://collector:4318", "http://", "http://:1", "http://a?b", "http://a b"]
    {
        assert!(endpoint(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_schema_is_a_schema_and_the_reference_names_every_key() {
    let (schema, reference) = (schema(), reference());
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    for key in
        ["version", "gateway.routes[].match", "topics.<name>", "shop.card_provider", "max_attempts", "sample"]
    {
        assert!(reference.contains(key), "{key} is missing in\n{reference}");
    }
    assert!(!reference.contains("| |"), "a key without a type or a meaning in\n{reference}");
}

#[test]
fn a_route_may_keep_answers() {
    let text = "version: 1
services: {a: {address: '127.0.0.1:1'}}
gateway:
  routes:
    - {match: {path: /a}, service: a, public: true, cache: {capacity_bytes: 1000000, object_bytes_max: 1000, stale_if_error: 1h, ignored_params: ['utm_*']}}
    - {match: {path: /b}, service: a, public: true, cache: {}}
    - {match: {path: /c}, service: a, public: true}
";
    let config = check(text, "f").unwrap();
    let caches: Vec<_> = config.gateway.routes.iter().map(|route| route.cache.as_deref()).collect();
    let first = caches[0].unwrap();
    assert_eq!((first.capacity_bytes, first.stale_if_error), (1_000_000, Duration::from_secs(3600)));
    assert_eq!((caches[1], caches[2]), (Some(&HttpCacheConfig::default()), None));
}

#[test]
fn services_say_where_and_how_they_are_reached() {
    let text = "version: 1
listeners: {gateway_tls: '0.0.0.0:8443'}
gateway:
  tls: {certificates: [{cert: shop.pem, key: shop.key}], min_version: '1.3'}
  routes:
    - {match: {path: /}, service: b, public: true, retry: {attempts: 2}, replay: 128KiB}
services:
  a:
    endpoints: [{address: '127.0.0.1:1', weight: 3, zone: z}, {address: '127.0.0.1:2'}]
    balance: {algorithm: maglev, health: {check: tcp}}
    key: header:X-User
  b:
    dns: {name: 'b.internal:80', every: 1s}
    protocol: http2
    tls: {ca: own.pem}
    balance: {health: {check: {grpc: {service: x}}}}
";
    let config = check(text, "f").unwrap();
    let a = &config.services["a"];
    assert_eq!(a.key, mamparo_config::RequestKey::Header("x-user".into()));
    assert_eq!(a.addresses().count(), 2);
    let b = &config.services["b"];
    assert!(matches!(&b.place, mamparo_config::ServicePlace::Dns { name, .. } if name == "b.internal:80"));
    let offered = b.tls.as_ref().unwrap().alpn.iter().map(|one| one.as_str()).collect::<Vec<_>>();
    assert_eq!(offered, ["h2"], "over TLS only what is spoken is offered");
    assert_eq!(config.gateway.routes[0].replay, 128 << 10);
    assert!(config.gateway.tls.is_some());
}

#[test]
fn the_example_of_the_gateways_page_loads() {
    let page = include_str!("../../../../docs/gateway.md");
    let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(check(example, "gateway.md").map(|config| config.gateway.routes.len()), Ok(3));
}

#[test]
fn a_route_tells_how_long_it_took_as_the_gateway_does_unless_it_says_otherwise() {
    let text = "
version: 1
services: {a: {address: '127.0.0.1:1'}}
gateway:
  server_timing: true
  forwarded: {trusted_networks: [10.0.0.0/8], read: forwarded, write_forwarded: true}
  routes:
    - {match: {path: /a}, service: a, public: true}
    - {match: {path: /b}, service: a, public: true, server_timing: false}
";
    let gateway = check(text, "f").unwrap().gateway;
    assert_eq!(gateway.routes.iter().map(|route| route.server_timing).collect::<Vec<_>>(), [true, false]);
    assert_eq!(gateway.forwarded.trusted_networks, ["10.0.0.0/8"]);
    assert!(gateway.forwarded.write_forwarded && gateway.forwarded.write_x_forwarded);
}
