//! Who the client is where other proxies stand in front, and what goes by it.

use std::net::SocketAddr;

use http::HeaderName;
use mamparo_balance::{Algorithm, BalanceConfig, Endpoint};
use mamparo_proxy::{
    Access, Answer, HeaderMatch, Match, RequestKey, Route, Routing, Settings, Target, Upstream, Wanted,
};
use mamparo_transform::forwarded::{Forwarded, ForwardedConfig};

use crate::rig::{Client, OK, PATIENCE, Rig, Service};

fn rules(hops: &str) -> Forwarded {
    let trusted_hops = hops.parse().unwrap();
    Forwarded::new(&ForwardedConfig { trusted_hops, ..ForwardedConfig::default() }).unwrap()
}

fn route(name: &str, matches: Vec<Match>, target: Target) -> Route {
    Route { name: name.into(), matches, access: Access::Public, target, settings: Settings::default() }
}

/// Leads all to `service`, and believes so many hops.
pub(crate) fn believing(rig: &Rig, service: SocketAddr, hops: &str) {
    let routes = vec![route("all", Vec::new(), Target::service("it"))];
    let routing = Routing::new(routes, vec![Upstream::new("it", &[service])]).unwrap();
    rig.proxy.as_ref().unwrap().reconfigure(routing.believing(rules(hops)));
}

fn ask(client: &mut Client, lines: &str) -> u16 {
    client.send(format!("GET / HTTP/1.1\r\nhost: own.test\r\n{lines}\r\n"));
    client.answer().status()
}

#[test]
fn a_hop_that_is_trusted_says_who_the_client_is() {
    let (service, requests) = Service::answering(OK);
    let rig = Rig::new(&[service.address]);
    let claims = "x-forwarded-for: 6.6.6.6, 192.0.2.7\r\nx-forwarded-proto: https\r\nx-forwarded-host: shop.test\r\n\
                  connection: x-forwarded-for\r\nx-real-ip: 6.6.6.6\r\nforwarded: for=6.6.6.6\r\n";
    let seen = |name: &str, request: &crate::rig::Message| request.header(name).map(str::to_owned);
    believing(&rig, service.address, "1");
    assert_eq!(ask(&mut rig.client(), claims), 200);
    let request = requests.recv_timeout(PATIENCE).unwrap();
    for (name, value) in [
        ("x-forwarded-for", Some("192.0.2.7, 127.0.0.1")),
        ("x-forwarded-proto", Some("https")),
        ("x-forwarded-host", Some("shop.test")),
        ("x-forwarded-port", None),
        ("host", Some("own.test")),
        ("x-real-ip", None),
        ("forwarded", None),
    ] {
        assert_eq!(seen(name, &request).as_deref(), value, "{name}");
    }
    // A service of the mesh is believed nothing about others.
    let mut mesh = Client::connect(rig.mesh);
    mesh.send(format!("GET / HTTP/1.1\r\nhost: it.mamparo\r\n{claims}\r\n"));
    assert_eq!(mesh.answer().status(), 200);
    let request = requests.recv_timeout(PATIENCE).unwrap();
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.header("x-forwarded-proto"), Some("http"));
}

#[test]
fn routes_ask_for_what_is_known_and_not_for_what_was_claimed() {
    let rig = Rig::new(&[]);
    let name = HeaderName::from_static;
    let is = |name: HeaderName, text: &str| Match {
        headers: vec![HeaderMatch { name, value: Wanted::Exact(text.into()) }],
        ..Match::default()
    };
    let fixed = |status: u16| {
        Target::Answer(Answer {
            status: http::StatusCode::from_u16(status).unwrap(),
            headers: http::HeaderMap::new(),
            body: "".into(),
        })
    };
    let routes = || {
        vec![
            route("secure", vec![is(name("x-forwarded-proto"), "https")], fixed(202)),
            route("root", vec![is(name("mamparo-principal"), "root")], fixed(203)),
            route("rest", Vec::new(), fixed(200)),
        ]
    };
    let claims = "x-forwarded-proto: https\r\nmamparo-principal: root\r\n";
    for (hops, status) in [("0", 200), ("1", 202)] {
        let routing = Routing::new(routes(), Vec::new()).unwrap().believing(rules(hops));
        rig.proxy.as_ref().unwrap().reconfigure(routing);
        assert_eq!(ask(&mut rig.client(), claims), status, "{hops} hops");
    }
}

#[test]
fn requests_of_one_client_reach_one_endpoint_whatever_stands_in_front() {
    let services: Vec<_> = (0..4).map(|_| Service::answering(OK)).collect();
    let rig = Rig::new(&[]);
    let balance = BalanceConfig { algorithm: Algorithm::Maglev, ..BalanceConfig::default() };
    let endpoints = services.iter().map(|(service, _)| Endpoint::new(service.address));
    let upstream = Upstream {
        balance,
        key: Some(RequestKey::Address),
        endpoints: endpoints.collect(),
        ..Upstream::new("it", &[])
    };
    let routes = vec![route("all", Vec::new(), Target::service("it"))];
    let routing = Routing::new(routes, vec![upstream]).unwrap().believing(rules("1"));
    rig.proxy.as_ref().unwrap().reconfigure(routing);
    let mut client = rig.client();
    let reached = || services.iter().filter(|(_, requests)| requests.try_iter().count() > 0).count();
    for _ in 0..16 {
        assert_eq!(ask(&mut client, "x-forwarded-for: 192.0.2.7\r\n"), 200);
    }
    assert_eq!(reached(), 1, "one client");
    for number in 0..64 {
        assert_eq!(ask(&mut client, &format!("x-forwarded-for: 192.0.2.{number}\r\n")), 200);
    }
    assert!(reached() > 1, "many clients");
}

#[test]
fn an_answer_says_how_long_it_took_where_the_route_says_so() {
    let (service, _requests) = Service::answering(OK);
    let settings = Settings { server_timing: true, ..Settings::default() };
    let rig = Rig::with(&[service.address], mamparo_proxy::Limits::default(), settings);
    let mut client = rig.client();
    let told = client.get("/");
    let told = told.header("server-timing").unwrap();
    let (total, service) = told.split_once(", ").unwrap();
    let millis = |text: &str, name: &str| -> f64 { text.strip_prefix(name).unwrap().parse().unwrap() };
    let (total, service) = (millis(total, "total;dur="), millis(service, "service;dur="));
    assert!(service > 0.0 && service <= total, "{told}");
    let own = client.get("/fixed");
    assert!(
        own.header("server-timing").is_some_and(|told| told.starts_with("total;dur=") && !told.contains(','))
    );
    assert_eq!(Rig::new(&[]).client().get("/fixed").header("server-timing"), None);
}
