//! Bodies stream in both directions, as they are framed, no faster than the other side takes them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

use mamparo_proxy::{Limits, Settings};

use crate::rig::{Client, OK, PATIENCE, Rig, Service};

#[test]
fn chunks_and_trailers_pass_in_both_directions_while_they_are_sent() {
    // Sends every chunk back as it comes, before the request has ended.
    let service = Service::start(|mut connection| {
        while let Some(head) = connection.head() {
            assert_eq!(head.header("transfer-encoding"), Some("chunked"));
            assert_eq!(head.header("te"), Some("trailers"));
            connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n");
            while let Some(chunk) = connection.chunk() {
                if chunk.is_empty() {
                    let trailers = connection.fields();
                    assert_eq!(trailers, [("x-up".into(), "1".into())]);
                    connection.send("0\r\nx-sum: 42\r\n\r\n");
                    break;
                }
                connection.send(format!("{:x}\r\n", chunk.len()));
                connection.send(&chunk);
                connection.send("\r\n");
            }
        }
    });
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    for _ in 0..2 {
        client.send(
            "POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\ntrailer: x-up\r\n\
             transfer-encoding: chunked\r\n\r\n",
        );
        client.send("5\r\nhello\r\n");
        let mut answer = client.head().unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(client.chunk().unwrap(), b"hello", "the answer comes before the request has ended");
        client.send("6;ext=1\r\n world\r\n0\r\nx-up: 1\r\n\r\n");
        client.body(&mut answer, false);
        assert_eq!((answer.text(), answer.whole), (" world", true));
        assert_eq!(answer.trailers, [("x-sum".into(), "42".into())]);
    }
    assert_eq!(rig.metric(r#"mamparo_proxy_service_connects_total{service="it"}"#), 1);
}

#[test]
fn a_large_body_passes_whole_and_is_not_held() {
    let (told, bytes) = mpsc::channel();
    let service = Service::start(move |mut connection| {
        while let Some(request) = connection.request() {
            told.send(request.body.len()).unwrap();
            let length = request.body.len();
            connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"));
            connection.send(request.body);
        }
    });
    let limits = Limits { body_bytes: 1 << 30, ..Limits::default() };
    let rig = Rig::with(&[service.address], limits, Settings::default());
    let body: Vec<u8> = (0..6_000_000u32).map(|n| (n % 251) as u8).collect();
    let mut client = rig.client();
    for _ in 0..2 {
        client.send(format!("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len()));
        client.send(&body);
        let answer = client.answer();
        assert_eq!(bytes.recv().unwrap(), body.len());
        assert!(answer.body == body && answer.whole);
    }
}

#[test]
fn a_client_that_does_not_read_stops_the_service() {
    let (told, written) = mpsc::channel();
    let service = Service::start(move |mut connection| {
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
        let stream: &mut TcpStream = connection.stream.get_mut();
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let (block, mut sum) = ([0; 64 * 1024], 0u64);
        while let Ok(count) = stream.write(&block) {
            sum += count as u64;
        }
        told.send(sum).unwrap();
    });
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.head().unwrap().status(), 200);
    let taken = written.recv_timeout(PATIENCE).unwrap();
    // What fits into the buffers of four sockets, not a gigabyte.
    assert!(taken < 100_000_000, "{taken}");
}

#[test]
fn answers_without_a_body_keep_their_headers_and_the_connection() {
    let service = Service::start(|mut connection| {
        while let Some(request) = connection.request() {
            connection.send(match request.start.split(' ').nth(1).unwrap() {
                "/head" => "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\nx: 1\r\n\r\n",
                "/chunked" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n",
                "/hints" => "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
                _ => OK,
            });
        }
    });
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    client.send("HEAD /head HTTP/1.1\r\nhost: a\r\n\r\n");
    let head = client.head().unwrap();
    assert_eq!((head.status(), head.header("content-length")), (200, Some("1234")));
    client.send("HEAD /chunked HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.head().unwrap().status(), 200);
    assert_eq!(client.get("/204").status(), 204);
    assert_eq!(client.get("/304").status(), 304);
    assert_eq!(client.get("/hints").text(), "ok");
    client.send("GET /old HTTP/1.0\r\nhost: a\r\n\r\n");
    let old = client.answer();
    assert_eq!((old.start.as_str(), old.text()), ("HTTP/1.0 200 OK", "ok"));
    assert!(client.is_closed());
    assert_eq!(rig.metric(r#"mamparo_proxy_service_connects_total{service="it"}"#), 1);
}

#[test]
fn an_answer_that_ends_with_its_connection_is_framed_for_the_client() {
    let service = Service::start(|mut connection| {
        connection.request();
        connection.send("HTTP/1.0 200 OK\r\n\r\nall of it");
    });
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!((answer.header("transfer-encoding"), answer.text()), (Some("chunked"), "all of it"));
    }
}

#[test]
fn the_client_is_told_to_continue_when_the_service_takes_the_body() {
    let (service, requests) = Service::answering(OK);
    let limits = Limits { body_bytes: 10, ..Limits::default() };
    let rig = Rig::with(&[service.address], limits, Settings::default());
    let mut client = rig.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n");
    assert_eq!(client.answer().start, "HTTP/1.1 100 Continue");
    client.send("abc");
    assert_eq!(client.answer().text(), "ok");
    let request = requests.recv().unwrap();
    assert_eq!((request.body.as_slice(), request.header("expect")), (&b"abc"[..], None));

    client.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 11\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status(), answer.code()), (413, "body-too-large"), "and no 100 before it");
    assert!(client.is_closed());
}

#[test]
fn a_service_may_answer_before_it_has_read_the_body() {
    let service = Service::start(|mut connection| {
        connection.head();
        connection.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno");
        let mut rest = Vec::new();
        let _ = connection.stream.read_to_end(&mut rest);
    });
    let rig = Rig::new(&[service.address]);
    let mut client = rig.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nbegin");
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text()), (403, "no"));
}

#[test]
fn a_get_may_carry_a_body() {
    let (service, requests) = Service::answering(OK);
    let rig = Rig::new(&[service.address]);
    let mut client: Client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    assert_eq!(client.answer().status(), 200);
    assert_eq!(requests.recv().unwrap().body, b"x");
    client.send("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\ny");
    assert_eq!(client.answer().status(), 200);
    assert_eq!(requests.recv().unwrap().body, b"y");
    client.send("POST / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.answer().status(), 200);
    assert_eq!(requests.recv().unwrap().header("transfer-encoding"), None);
}
