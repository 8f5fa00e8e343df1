//! The access log: one line for every request, however it ends.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mamparo_http_cache::{HttpCache, HttpCacheConfig};
use mamparo_proxy::{Limits, Settings};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{filter, fmt};

use crate::rig::{OK, PATIENCE, Rig, Service};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// The lines that speak of `path`, once there are `count`.
    fn about(&self, path: &str, count: usize) -> Vec<String> {
        for _ in 0..2000 {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let lines: Vec<_> = text.lines().filter(|line| line.contains(path)).map(String::from).collect();
            if lines.len() >= count {
                return lines;
            }
            std::thread::sleep(PATIENCE / 2000);
        }
        panic!("{path} is not in the log {count} times");
    }
}

#[test]
fn every_request_is_one_line() {
    let lines = Lines::default();
    let writer = lines.clone();
    let layer = fmt::layer().json().flatten_event(true).with_writer(move || writer.clone());
    let only_access = filter::Targets::new().with_target("access", tracing::Level::INFO);
    // Other tests of this program log too: each looks at its own paths.
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer).with(only_access))
        .unwrap();

    let service = Service::start(|mut connection| {
        while let Some(request) = connection.request() {
            if request.start.contains("broken") {
                connection.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
                return;
            }
            if request.start.contains("never") {
                continue;
            }
            if request.start.contains("kept") {
                connection
                    .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncache-control: max-age=60\r\n\r\nok");
                continue;
            }
            connection.send(OK);
        }
    });
    let cache = HttpCache::new("all", &HttpCacheConfig::default()).unwrap();
    let settings =
        Settings { answer_timeout: Duration::from_secs(60), cache: Some(cache), ..Settings::default() };
    let rig = Rig::with(&[service.address], Limits::default(), settings);
    let mut client = rig.client();
    client.send(
        "POST /logged-good?secret=1 HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\
         traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\nhello",
    );
    assert_eq!(client.answer().status(), 200);
    assert_eq!(rig.client().get("/hidden/logged-hidden").status(), 401);
    assert!(!rig.client().get("/logged-broken").whole);
    let mut gone = rig.client();
    gone.send("GET /logged-never HTTP/1.1\r\nhost: a\r\n\r\n");
    rig.await_metric("mamparo_proxy_requests_in_flight", 1);
    drop(gone);

    assert_eq!((rig.client().get("/kept").text(), rig.client().get("/kept").text()), ("ok", "ok"));

    let kept = lines.about("/kept", 2);
    assert!(kept[0].contains(r#""cache":"miss""#) && kept[1].contains(r#""cache":"hit""#), "{kept:?}");
    let good = &lines.about("/logged-good", 1)[0];
    for part in [
        r#""target":"access""#,
        r#""method":"POST""#,
        r#""path":"/logged-good""#,
        r#""client":"127.0.0.1""#,
        r#""status":200"#,
        r#""sent":2"#,
        r#""received":5"#,
        r#""duration_us":"#,
        r#""route":"all""#,
        r#""service":"it""#,
        r#""aborted":false"#,
        r#""cache":"bypass""#,
        r#""trace":"0af7651916cd43dd8448eb211c80319c""#,
    ] {
        assert!(good.contains(part), "{part} in {good}");
    }
    assert!(!good.contains("secret"), "what a query says may be secret: {good}");
    let hidden = &lines.about("/logged-hidden", 1)[0];
    assert!(
        hidden.contains(r#""cache":"""#)
            && hidden.contains(r#""status":401"#)
            && hidden.contains(r#""code":"identity-required""#),
        "{hidden}"
    );
    let broken = &lines.about("/logged-broken", 1)[0];
    assert!(broken.contains(r#""aborted":true"#) && broken.contains(r#""sent":4"#), "{broken}");
    let never = &lines.about("/logged-never", 1)[0];
    assert!(never.contains(r#""status":499"#) && never.contains(r#""aborted":true"#), "{never}");
    assert_eq!(lines.about("/logged-", 4).len(), 4);

    crate::origin::believing(&rig, service.address, "1");
    let mut behind = rig.client();
    behind.send("GET /logged-behind HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 192.0.2.7\r\n\r\n");
    assert_eq!(behind.answer().status(), 200);
    let behind = &lines.about("/logged-behind", 1)[0];
    assert!(behind.contains(r#""client":"192.0.2.7""#), "{behind}");
    passed_connections(&lines);
}

/// A connection that is passed on is one line, too.
fn passed_connections(lines: &Lines) {
    let service = Service::start(|mut connection| {
        connection.send("twelve bytes");
        connection.is_closed();
    });
    let host = "logged.passed.test";
    let rig = crate::passed::rig_for(host, &[service.address]);
    let mut client = rig.client();
    let hello = crate::passed::hello(host);
    client.send(&hello);
    client.close_writing();
    assert!(!client.is_closed(), "it was answered");
    let line = &lines.about(host, 1)[0];
    let received = format!("\"received\":{},", hello.len());
    for part in [
        r#""target":"access""#,
        r#""kind":"tcp""#,
        r#""service":"it""#,
        r#""sent":12"#,
        &received,
        r#""code":"","#,
        r#""aborted":false"#,
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
}
