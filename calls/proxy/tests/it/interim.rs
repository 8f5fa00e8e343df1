//! What a service says before its answer: to whom it goes on, how much of it, and that the answer is whole whatever was
//! said before it.

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use mamparo_proxy::{Limits, Settings, Speaks, Transport};

use crate::http2::{block_on, connect, get};
use crate::rig::{Client, OK, Rig, Service, listen};

const HINT: &str =
    "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nconnection: x-own\r\nx-own: 1\r\n\r\n";

fn settings(early_hints: bool) -> Settings {
    Settings { early_hints, ..Settings::default() }
}

fn rig(service: &Service, early_hints: bool) -> Rig {
    Rig::with(&[service.address], Limits::default(), settings(early_hints))
}

/// A service that says `before` each answer, and gives that when it is told to.
fn hinting(before: String) -> (Service, Sender<()>) {
    let (go, may_go) = channel();
    let may_go = Mutex::new(may_go);
    let service = Service::start(move |mut connection| {
        while connection.request().is_some() {
            connection.send(&before);
            if may_go.lock().unwrap().recv().is_err() {
                return;
            }
            connection.send(OK);
        }
    });
    (service, go)
}

/// Has the worker look at all that its sockets have to tell.
fn passes_by(rig: &Rig) {
    for _ in 0..20 {
        assert_eq!(rig.client().get("/fixed").status(), 200);
    }
}

fn asks(client: &mut Client) {
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
}

#[test]
fn a_client_hears_a_hint_while_the_service_still_works() {
    let (service, go) = hinting(HINT.to_owned());
    let rig = rig(&service, true);
    let mut client = rig.client();
    for _ in 0..3 {
        asks(&mut client);
        let hint = client.head().unwrap();
        assert_eq!(hint.start, "HTTP/1.1 103 Early Hints");
        assert_eq!(hint.headers, [("link".to_owned(), "</a.css>; rel=preload".to_owned())]);
        go.send(()).unwrap();
        let answer = client.answer();
        assert_eq!((answer.status(), answer.text()), (200, "ok"));
    }
}

#[test]
fn a_hint_that_comes_with_the_answer_never_stands_in_it() {
    let (service, go) = hinting(HINT.to_owned());
    let rig = rig(&service, true);
    let mut client = rig.client();
    for _ in 0..50 {
        go.send(()).unwrap();
        asks(&mut client);
        let mut answer = client.head().unwrap();
        if answer.status() == 103 {
            answer = client.head().unwrap();
        }
        client.body(&mut answer, false);
        assert_eq!((answer.status(), answer.text(), answer.whole), (200, "ok", true));
    }
}

#[test]
fn nobody_hears_hints_who_is_not_to_or_cannot() {
    let (service, go) = hinting(HINT.to_owned());
    for (early_hints, version) in [(false, "1.1"), (true, "1.0")] {
        let rig = rig(&service, early_hints);
        let mut client = rig.client();
        client.send(format!("GET / HTTP/{version}\r\nhost: a\r\n\r\n"));
        rig.await_metric("mamparo_proxy_requests_in_flight", 1);
        passes_by(&rig);
        go.send(()).unwrap();
        let answer = client.answer();
        assert_eq!((answer.status(), answer.text()), (200, "ok"), "{early_hints} HTTP/{version}");
    }
    let rig = rig(&service, true);
    block_on(async {
        let mut sender = connect(rig.edge).await;
        go.send(()).unwrap();
        let answer = sender.send_request(get("/")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
    });
}

#[test]
fn of_many_hints_a_few_go_on_and_of_large_ones_none() {
    for (before, heard) in [
        (format!("HTTP/1.1 103 Early Hints\r\nx: {}\r\n\r\n", "y".repeat(20_000)), 0),
        ("HTTP/1.1 102 Processing\r\n\r\n".repeat(50), 8),
        ("HTTP/1.1 100 Continue\r\n\r\n".repeat(3), 0),
    ] {
        let (service, go) = hinting(before);
        let rig = rig(&service, true);
        let mut client = rig.client();
        for _ in 0..2 {
            asks(&mut client);
            for _ in 0..heard {
                assert_eq!(client.head().unwrap().start, "HTTP/1.1 102 Processing");
            }
            rig.await_metric("mamparo_proxy_requests_in_flight", 1);
            passes_by(&rig);
            go.send(()).unwrap();
            assert_eq!(client.answer().status(), 200);
        }
    }
}

#[test]
fn a_hint_and_the_word_to_go_on_with_a_body_do_not_disturb_each_other() {
    let service = Service::start(|mut connection| {
        let head = connection.head().unwrap();
        connection.send(HINT);
        let mut request = head;
        connection.body(&mut request, false);
        connection.send(HINT);
        connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", request.body.len()));
        connection.send(request.body);
    });
    let rig = rig(&service, true);
    let mut client = rig.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n");
    let mut said = [client.head().unwrap().status(), client.head().unwrap().status()];
    said.sort_unstable();
    assert_eq!(said, [100, 103]);
    client.send("abc");
    let mut answer = client.head().unwrap();
    if answer.status() == 103 {
        answer = client.head().unwrap();
    }
    client.body(&mut answer, false);
    assert_eq!((answer.status(), answer.text()), (200, "abc"));
}

#[test]
fn one_that_was_sent_again_may_have_been_hinted_at_twice() {
    let first = Mutex::new(true);
    let service = Service::start(move |mut connection| {
        while connection.request().is_some() {
            connection.send(HINT);
            if std::mem::take(&mut *first.lock().unwrap()) {
                return;
            }
            connection.send(OK);
        }
    });
    let rig = rig(&service, true);
    let mut client = rig.client();
    asks(&mut client);
    let mut answer = client.head().unwrap();
    let mut hints = 0;
    while answer.status() == 103 {
        hints += 1;
        answer = client.head().unwrap();
    }
    client.body(&mut answer, false);
    assert_eq!((answer.status(), answer.text()), (200, "ok"));
    assert!(hints <= 2, "{hints}");
}

#[test]
fn a_service_of_http2_that_hints_is_understood() {
    let socket = listen();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        block_on(async move {
            socket.set_nonblocking(true).unwrap();
            let socket = tokio::net::TcpListener::from_std(socket).unwrap();
            let (stream, _) = socket.accept().await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(request) = connection.accept().await {
                let (_, mut respond) = request.unwrap();
                for _ in 0..3 {
                    let hint = Response::builder().status(103).header("link", "</a.css>").body(()).unwrap();
                    respond.send_informational(hint).unwrap();
                }
                let mut body = respond.send_response(Response::new(()), false).unwrap();
                body.send_data(Bytes::from_static(b"ok"), true).unwrap();
            }
        });
    });
    let transport = Transport { speaks: Speaks::Http2, ..Transport::default() };
    let rig = Rig::speaking(&[address], Limits::default(), settings(true), transport);
    let mut client = rig.client();
    for _ in 0..3 {
        let answer = client.get("/");
        assert_eq!((answer.status(), answer.text()), (200, "ok"));
    }
}
