//! Where requests end up: the path that was matched, other hosts, other services, another address.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::Receiver;
use std::thread;

use http::StatusCode;
use mamparo_proxy::{
    Access, Limits, Match, Mirror, Path, PathRewrite, Redirect, Rewrite, Route, Routing, Services, Settings,
    Target, Upstream,
};

use crate::rig::{Message, OK, PATIENCE, Rig, Service};

fn route(name: &str, path: Path, target: Target) -> Route {
    let (access, settings) = (Access::Public, Settings::default());
    Route { name: name.into(), matches: vec![Match::path(path)], access, target, settings }
}

fn upstream(name: &str, endpoint: Option<SocketAddr>) -> Upstream {
    Upstream::new(name, endpoint.as_slice())
}

fn prefix(path: &str) -> Path {
    Path::Prefix(path.into())
}

#[test]
fn a_service_is_asked_for_the_path_and_the_host_that_the_route_says() {
    let (service, requests) = Service::answering(OK);
    let rig = Rig::new(&[]);
    let rewrite = Rewrite { host: Some("inner".into()), path: Some(PathRewrite::Full("/v2/{id}".into())) };
    let target = Target::Services(Services { rewrite, ..Services::one("a") });
    let routes = vec![route("r", Path::Template("/orders/{id}".into()), target)];
    let routing = Routing::new(routes, vec![upstream("a", Some(service.address))]).unwrap();
    rig.proxy.as_ref().unwrap().reconfigure(routing);
    let mut client = rig.client();
    assert_eq!(client.get("/x/../orders/7?q=1").status(), 200);
    let request = requests.recv_timeout(PATIENCE).unwrap();
    assert_eq!(request.start, "GET /v2/7?q=1 HTTP/1.1");
    assert_eq!(
        (request.header("host"), request.header("x-forwarded-host")),
        (Some("inner"), Some("it.test"))
    );
    assert_eq!(client.get("/orders/7/8").status(), 404);
}

#[test]
fn a_client_is_sent_elsewhere() {
    let rig = Rig::with(&[], Limits::default(), Settings::default());
    let path = Some(PathRewrite::Prefix("/new".into()));
    let status = StatusCode::PERMANENT_REDIRECT;
    let away = Redirect { scheme: None, host: None, port: None, path, status };
    let routes = vec![route("r", prefix("/old"), Target::Redirect(away))];
    rig.proxy.as_ref().unwrap().reconfigure(Routing::new(routes, Vec::new()).unwrap());
    let answer = rig.client().get("/old/x?q=1");
    assert_eq!((answer.status(), answer.header("location")), (308, Some("/new/x?q=1")));
}

#[test]
fn another_service_stands_in_for_one_without_endpoints_and_a_third_gets_copies() {
    let (stand_in, asked) = Service::answering(OK);
    let (third, copied) = Service::answering(OK);
    let rig = Rig::new(&[]);
    let target = Target::Services(Services {
        failover: Some("b".into()),
        mirror: Some(Mirror { name: "c".into(), percent: 100.0 }),
        ..Services::one("a")
    });
    let upstreams =
        vec![upstream("a", None), upstream("b", Some(stand_in.address)), upstream("c", Some(third.address))];
    let routing = Routing::new(vec![route("r", prefix("/"), target)], upstreams).unwrap();
    rig.proxy.as_ref().unwrap().reconfigure(routing);
    let mut client = rig.client();
    for at in 0..3 {
        assert_eq!(client.get(&format!("/{at}")).status(), 200);
        let start =
            |requests: &Receiver<Message>| requests.recv_timeout(PATIENCE).map(|request| request.start);
        assert_eq!(start(&asked), Ok(format!("GET /{at} HTTP/1.1")));
        assert_eq!(start(&copied), Ok(format!("GET /{at} HTTP/1.1")));
    }
    // A body is not held, so that it is not copied either.
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx");
    assert_eq!(client.answer().status(), 200);
    assert_eq!(client.get("/last").status(), 200);
    assert_eq!(copied.recv_timeout(PATIENCE).unwrap().start, "GET /last HTTP/1.1");
}

#[test]
fn a_copy_that_is_never_answered_keeps_nobody_waiting() {
    let (service, _requests) = Service::answering(OK);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let held = thread::spawn(move || silent.accept().unwrap());
    let rig = Rig::new(&[]);
    let mirror = Some(Mirror { name: "c".into(), percent: 100.0 });
    let target = Target::Services(Services { mirror, ..Services::one("a") });
    let upstreams = vec![upstream("a", Some(service.address)), upstream("c", Some(address))];
    let routing = Routing::new(vec![route("r", prefix("/"), target)], upstreams).unwrap();
    rig.proxy.as_ref().unwrap().reconfigure(routing);
    let mut client = rig.client();
    for _ in 0..100 {
        assert_eq!(client.get("/").status(), 200);
    }
    held.join().unwrap();
    rig.await_metric("mamparo_proxy_requests_in_flight", 0);
}
