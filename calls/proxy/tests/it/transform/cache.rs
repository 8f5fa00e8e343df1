//! Routes that keep answers and change them: what the service said is kept, and told to each client in its way.

use std::io::Read;
use std::sync::{Mutex, mpsc};

use mamparo_http_cache::{HttpCache, HttpCacheConfig};
use mamparo_proxy::{Limits, Match, Settings};

use super::{Rig, Service, route, transform, use_routes};
use crate::rig::{Client, Message, PATIENCE};

fn cache() -> HttpCache {
    HttpCache::new("r", &HttpCacheConfig::default()).unwrap()
}

fn get(client: &mut Client, path: &str, lines: &str) -> Message {
    client.send(format!("GET {path} HTTP/1.1\r\nhost: it.test\r\n{lines}\r\n"));
    client.answer()
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncache-control: max-age=60\r\n";

#[test]
fn one_answer_is_kept_and_told_to_each_client_in_its_way() {
    let (told, asked) = mpsc::channel();
    let text = "again and again ".repeat(500);
    let body = text.clone();
    let service = Service::start(move |mut connection| {
        while let Some(request) = connection.request() {
            told.send(request.start).unwrap();
            connection.send(format!("{HEAD}content-length: {}\r\n\r\n{body}", body.len()));
        }
    });
    let yaml = "{compress: {}, cors: {origins: ['https://a.test', 'https://b.test']}}";
    let settings = Settings { transform: Some(transform(yaml)), cache: Some(cache()), ..Settings::default() };
    let rig = Rig::with(&[service.address], Limits::default(), settings);
    let mut client = rig.client();
    for (number, (coding, origin)) in
        [("gzip", "https://a.test"), ("identity", "https://b.test"), ("gzip", "https://c.test")]
            .into_iter()
            .enumerate()
    {
        let answer = get(&mut client, "/", &format!("accept-encoding: {coding}\r\norigin: {origin}\r\n"));
        let status = answer.header("cache-status").unwrap();
        assert_eq!((answer.status(), status.contains("; hit")), (200, number > 0), "{status}");
        let granted = Some(origin).filter(|origin| *origin != "https://c.test");
        assert_eq!(answer.header("access-control-allow-origin"), granted);
        if coding == "gzip" {
            assert_eq!(answer.header("content-encoding"), Some("gzip"));
            assert!(answer.body.len() < text.len() / 4 && answer.whole);
        } else {
            assert!(answer.body == text.as_bytes());
        }
    }
    assert_eq!(asked.try_iter().count(), 1);
    assert_eq!(rig.metric("mamparo_proxy_requests_in_flight"), 0);
}

#[test]
fn nobody_is_given_what_is_kept_who_may_not_ask_for_it() {
    let (service, requests) =
        Service::answering("HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 2\r\n\r\nok");
    let hook = Service::start(|mut connection| {
        while let Some(request) = connection.request() {
            let answer = match request.text().contains("ana") {
                true => r#"{"decision":"allow"}"#,
                false => r#"{"decision":"deny"}"#,
            };
            connection.send(format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
                answer.len()
            ));
        }
    });
    let yaml = "external: {service: hook, timeout: 5s, headers: [x-user]}";
    let settings = Settings { transform: Some(transform(yaml)), cache: Some(cache()), ..Settings::default() };
    let rig = Rig::new(&[]);
    let services = [("it", service.address), ("hook", hook.address)];
    use_routes(&rig, vec![route("r", Match::default(), settings)], &services);
    let mut client = rig.client();
    for (user, status) in [("ana", 200), ("bob", 403), ("ana", 200)] {
        assert_eq!(get(&mut client, "/", &format!("x-user: {user}\r\n")).status(), status);
    }
    assert_eq!(requests.try_iter().count(), 1);
}

#[test]
fn what_is_being_kept_is_read_on_when_its_client_goes() {
    let (go_on, rest) = mpsc::channel::<()>();
    let rest = Mutex::new(rest);
    let (told, asked) = mpsc::channel();
    let service = Service::start(move |mut connection| {
        while connection.request().is_some() {
            told.send(()).unwrap();
            connection.send(format!("{HEAD}transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n"));
            rest.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            connection.send("4\r\nlast\r\n0\r\n\r\n");
        }
    });
    let kept = cache();
    let settings = Settings {
        transform: Some(transform("compress: {}")),
        cache: Some(kept.clone()),
        ..Settings::default()
    };
    let rig = Rig::with(&[service.address], Limits::default(), settings);
    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: it.test\r\naccept-encoding: gzip\r\n\r\n");
    assert_eq!(client.head().unwrap().header("content-encoding"), Some("gzip"));
    client.stream.read_exact(&mut [0]).unwrap();
    drop(client);
    rig.await_metric("mamparo_proxy_requests_in_flight", 0);
    go_on.send(()).unwrap();
    let answer = get(&mut rig.client(), "/", "");
    assert_eq!((answer.text(), answer.header("content-encoding")), ("firstlast", None));
    assert_eq!(asked.try_iter().count(), 1);
}
