//! What bounds a service that goes on promising an answer, or says too much before it does.

use std::io::Write;
use std::time::{Duration, Instant};

use mamparo_proxy::{Limits, Settings};

use crate::rig::{OK, PATIENCE, Rig, Service};

const INTERIM: [&str; 2] =
    ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n"];

/// The answer, after those that only promise it.
fn final_status(rig: &Rig, request: &str) -> (u16, String) {
    let mut client = rig.client();
    client.send(request);
    loop {
        let answer = client.answer();
        if answer.status() >= 200 {
            return (answer.status(), answer.code().to_owned());
        }
    }
}

const ASKED: [&str; 3] = [
    "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx",
    "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\nx",
];

#[test]
fn a_service_that_goes_on_promising_is_given_up_in_its_time() {
    for interim in INTERIM {
        let service = Service::start(move |mut connection| {
            connection.request();
            while connection.stream.get_mut().write_all(interim.as_bytes()).is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let settings = Settings { answer_timeout: Duration::from_millis(200), ..Settings::default() };
        let rig = Rig::with(&[service.address], Limits::default(), settings);
        for request in ASKED {
            assert_eq!(final_status(&rig, request), (504, "service-timeout".into()), "{interim} {request}");
        }
    }
}

/// It kept its thread busy for as long as it liked: the time of the answer was looked at by nobody.
#[test]
fn a_service_that_promises_as_fast_as_it_can_is_given_up_by_what_it_sends() {
    for interim in INTERIM {
        let service = Service::start(move |mut connection| {
            connection.request();
            let many = interim.repeat(1000);
            while connection.stream.get_mut().write_all(many.as_bytes()).is_ok() {}
        });
        let rig = Rig::new(&[service.address]);
        for request in ASKED {
            let began = Instant::now();
            let (status, code) = final_status(&rig, request);
            assert_eq!((status, &*code), (502, "service-answer-malformed"));
            assert!(began.elapsed() < PATIENCE / 4, "{interim} {request}");
        }
    }
}

#[test]
fn the_heads_of_an_answer_are_bounded_to_the_byte() {
    let limits = Limits { header_bytes: 40 * 1024, ..Limits::default() };
    let most = 2 * limits.header_bytes;
    for (size, interim, status) in
        [(most, 0, 200), (most + 1, 0, 502), (most, 4, 200), (most + 1, 4, 502), (4 * most, 0, 502)]
    {
        let service = Service::start(move |mut connection| {
            while connection.request().is_some() {
                let before = INTERIM[1].repeat(interim);
                let head = "HTTP/1.1 200 OK\r\ncontent-length: 300000\r\nx: ";
                let pad = "x".repeat(size - before.len() - head.len() - 4);
                let body = "b".repeat(300_000);
                let all = format!("{before}{head}{pad}\r\n\r\n{body}");
                let _ = connection.stream.get_mut().write_all(all.as_bytes());
            }
        });
        let rig = Rig::with(&[service.address], limits.clone(), Settings::default());
        let mut client = rig.client();
        // A connection that is used again begins anew.
        for _ in 0..3 {
            client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
            let mut answer = client.answer();
            while answer.status() < 200 {
                answer = client.answer();
            }
            assert_eq!(answer.status(), status, "{size} bytes");
            assert!(status != 200 || answer.body.len() == 300_000, "{} bytes", answer.body.len());
        }
    }
}

#[test]
fn a_long_body_is_no_head() {
    let service = Service::start(move |mut connection| {
        while connection.request().is_some() {
            let body = "b".repeat(4 << 20);
            connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        }
    });
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    for _ in 0..3 {
        assert_eq!(client.get("/").body.len(), 4 << 20);
    }
    let (service, _requests) = Service::answering(OK);
    assert_eq!(Rig::new(&[service.address]).client().get("/").text(), "ok");
}
