//! Draining: what is under way is finished and told so, what rests is closed, what does not end is cut.

use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use mamparo_proxy::Drained;

use crate::rig::{OK, PATIENCE, Rig, Service};

fn drain(rig: &mut Rig, time: Duration) -> Drained {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(rig.proxy.take().unwrap().drain(time))
}

#[test]
fn requests_under_way_are_finished_and_idle_connections_are_closed() {
    let (asked, arrived) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = Mutex::new(may_go);
    let service = Service::start(move |mut connection| {
        while let Some(request) = connection.request() {
            if request.start.starts_with("GET /wait") {
                asked.send(()).unwrap();
                may_go.lock().unwrap().recv().unwrap();
            }
            connection.send(OK);
        }
    });
    let mut rig = Rig::new(&[service.address]);
    let (mut idle, mut busy, mut silent) = (rig.client(), rig.client(), rig.client());
    assert_eq!(idle.get("/").status(), 200);
    busy.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n");
    arrived.recv_timeout(PATIENCE).unwrap();
    rig.await_metric("mamparo_proxy_connections", 3);
    let edge = rig.edge;
    let drained = thread::spawn(move || drain(&mut rig, PATIENCE));
    assert!(idle.is_closed(), "idle");
    assert!(silent.is_closed(), "nothing said yet");
    go.send(()).unwrap();
    let answer = busy.answer();
    assert_eq!((answer.status(), answer.text()), (200, "ok"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(busy.is_closed());
    assert_eq!(drained.join().unwrap(), Drained { cut: 0 });
    assert!(std::net::TcpStream::connect(edge).is_err(), "nobody listens any more");
}

#[test]
fn what_does_not_end_is_cut_at_the_deadline() {
    let (asked, arrived) = mpsc::channel();
    let service = Service::start(move |mut connection| {
        connection.request();
        asked.send(()).unwrap();
        connection.request();
    });
    let mut rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    arrived.recv_timeout(PATIENCE).unwrap();
    let began = Instant::now();
    assert_eq!(drain(&mut rig, Duration::from_millis(100)), Drained { cut: 1 });
    assert!(began.elapsed() < PATIENCE / 2);
    assert!(client.is_closed());
    assert_eq!(rig.metric("mamparo_proxy_connections"), 0);
    assert_eq!(rig.metric("mamparo_proxy_requests_in_flight"), 0);
}

#[test]
fn a_proxy_that_is_dropped_stops() {
    let (service, _requests) = Service::answering(OK);
    let mut rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    assert_eq!(client.get("/").status(), 200);
    drop(rig.proxy.take());
    assert!(client.is_closed());
}

#[test]
fn one_that_leaves_asks_clients_to_go_elsewhere_and_closes_no_connection_under_them() {
    let (asked, arrived) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = Mutex::new(may_go);
    let service = Service::start(move |mut connection| {
        while let Some(request) = connection.request() {
            if request.start.starts_with("GET /wait") {
                asked.send(()).unwrap();
                may_go.lock().unwrap().recv().unwrap();
            }
            connection.send(OK);
        }
    });
    let mut rig = Rig::new(&[service.address]);
    let (mut resting, mut busy, mut late) = (rig.client(), rig.client(), rig.client());
    assert_eq!(resting.get("/").header("connection"), None);
    busy.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n");
    arrived.recv_timeout(PATIENCE).unwrap();
    assert_eq!(late.get("/").status(), 200);
    let proxy = rig.proxy.as_ref().unwrap();
    proxy.leave(true);
    let mut new = rig.client();
    // A new connection is taken, and each answer is the last one of its connection.
    while new.get("/").header("connection") != Some("close") {}
    assert!(new.is_closed());
    go.send(()).unwrap();
    assert_eq!(busy.answer().header("connection"), Some("close"));
    let answer = resting.get("/");
    assert_eq!((answer.status(), answer.header("connection")), (200, Some("close")));
    rig.await_metric("mamparo_proxy_connections", 1);
    assert_eq!(proxy.view().connections().iter().sum::<usize>(), 1, "the one that still rests");
    proxy.leave(false);
    assert_eq!(late.get("/").header("connection"), Some("close"));
    assert_eq!(drain(&mut rig, PATIENCE), Drained { cut: 0 });
}
