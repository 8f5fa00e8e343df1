//! What routes change on the way: headers, CORS, compression, bodies put together anew, gRPC-Web, and hooks.

mod bodies;
mod cache;
mod compress;
mod cors;
mod grpc_web;
mod hook;

use std::net::SocketAddr;
use std::sync::Arc;

use mamparo_proxy::{
    Access, Limits, Match, Path, Route, Routing, RoutingError, Settings, Speaks, Target, Transport, Upstream,
};
use mamparo_transform::Transform;

use crate::rig::{OK, PATIENCE, Rig, Service};

/// What the key `transform` of a file says.
fn transform(yaml: &str) -> Arc<Transform> {
    Arc::new(Transform::new(&serde_saphyr::from_str(yaml).unwrap()).unwrap())
}

fn settings(yaml: &str) -> Settings {
    Settings { transform: Some(transform(yaml)), ..Settings::default() }
}

/// A route to the service `it`.
fn route(name: &str, one: Match, settings: Settings) -> Route {
    let target = Target::service("it");
    Route { name: name.into(), matches: vec![one], access: Access::Public, target, settings }
}

/// A proxy that leads all to `service`, with these changes.
fn rig(service: SocketAddr, yaml: &str) -> Rig {
    Rig::with(&[service], Limits::default(), settings(yaml))
}

fn use_routes(rig: &Rig, routes: Vec<Route>, services: &[(&str, SocketAddr)]) {
    let upstreams = services.iter().map(|(name, address)| Upstream::new(name, &[*address]));
    rig.proxy.as_ref().unwrap().reconfigure(Routing::new(routes, upstreams.collect()).unwrap());
}

#[test]
fn headers_say_what_is_known_of_a_request() {
    let (service, requests) =
        Service::answering("HTTP/1.1 200 OK\r\nserver: secret/1.0\r\ncontent-length: 2\r\n\r\nok");
    let rig = Rig::new(&[]);
    let yaml = "headers: {request: {set: {x-known: '{route} {id} {client_ip} {scheme} {host} {path}'}},
                          answer: {remove: [server], set: {x-request: '{request_id}'}}}";
    let one = Match::path(Path::Template("/o/{id}/{rest}".into()));
    use_routes(&rig, vec![route("orders", one, settings(yaml))], &[("it", service.address)]);
    let mut client = rig.client();
    client.send(
        "GET /o/./a%20b/c?q=1 HTTP/1.1\r\nhost: it.test:80\r\nx-request-id: mine\r\nx-known: a lie\r\n\r\n",
    );
    let answer = client.answer();
    assert_eq!((answer.header("server"), answer.header("x-request")), (None, Some("mine")));
    let request = requests.recv_timeout(PATIENCE).unwrap();
    let known = "orders a%20b 127.0.0.1 http it.test:80 /o/./a%20b/c";
    assert_eq!(request.header("x-known"), Some(known));
}

#[test]
fn what_a_route_cannot_change_is_refused_with_the_routing() {
    let refused = |one: Match, yaml: &str| {
        let upstream = Upstream::new("it", &[]);
        Routing::new(vec![route("r", one, settings(yaml))], vec![upstream]).map(drop).unwrap_err().to_string()
    };
    let named = Match::path(Path::Template("/{id}".into()));
    for (one, yaml, text) in [
        (
            named.clone(),
            "headers: {request: {set: {x: '{ib}'}}}",
            "route \"r\": no template has the variable {ib}",
        ),
        (
            Match::default(),
            "headers: {request: {set: {x: '{id}'}}}",
            "route \"r\": no template has the variable {id}",
        ),
        (named, "external: {service: no}", "route \"r\" leads to the service \"no\", which is not there"),
        (Match::default(), "grpc_web: {}", "route \"r\": gRPC-Web needs HTTP/2, and \"it\" speaks HTTP/1.1"),
    ] {
        assert_eq!(refused(one, yaml), text);
    }
    let transport = Transport { speaks: Speaks::Http2, ..Transport::default() };
    let upstream = Upstream { transport, ..Upstream::new("it", &[]) };
    let taken: Result<_, RoutingError> =
        Routing::new(vec![route("r", Match::default(), settings("grpc_web: {}"))], vec![upstream]);
    assert!(taken.is_ok());
}

#[test]
fn what_nothing_is_changed_about_passes_as_it_is() {
    let (service, _requests) = Service::answering(OK);
    let rig = rig(service.address, "{}");
    let mut client = rig.client();
    for _ in 0..3 {
        let answer = client.get("/");
        assert_eq!((answer.status(), answer.text()), (200, "ok"));
    }
    assert_eq!(rig.metric(r#"mamparo_proxy_service_connects_total{service="it"}"#), 1);
}
