//! Answers that are compressed on the way, and what still ends with them.

use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use mamparo_proxy::{Limits, Settings};

use super::{Rig, Service, rig, transform};
use crate::rig::PATIENCE;

const TEXT: &str = "the same words again and again, ";

fn service() -> Service {
    Service::start(|mut connection| {
        while let Some(request) = connection.request() {
            let body = TEXT.repeat(4000);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\netag: \"a\"";
            if request.start.contains("chunked") {
                connection.send(format!("{head}\r\ntransfer-encoding: chunked\r\n\r\n"));
                for part in body.as_bytes().chunks(10_000) {
                    connection.send(format!("{:x}\r\n", part.len()));
                    connection.send([part, b"\r\n"].concat());
                }
                connection.send("0\r\n\r\n");
            } else {
                connection.send(format!("{head}\r\ncontent-length: {}\r\n\r\n", body.len()));
                if !request.start.starts_with("HEAD") {
                    connection.send(body);
                }
            }
        }
    })
}

#[test]
fn curl_reads_what_is_compressed() {
    let rig = rig(service().address, "compress: {}");
    let url = |path: &str| format!("http://{}{path}", rig.edge);
    for (path, arguments) in
        [("/known", &["--compressed"][..]), ("/chunked", &["--compressed", "--http2-prior-knowledge"])]
    {
        let told = "\n%{http_code} %header{content-encoding} %header{vary} %{size_download}";
        let output = Command::new("curl")
            .args(["-sS", "--max-time", "20", "-w", told])
            .args(arguments)
            .arg(url(path))
            .output();
        let Ok(output) = output else {
            eprintln!("skipped: curl is not installed");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, told) = text.rsplit_once('\n').unwrap();
        assert!(body == TEXT.repeat(4000), "{told} {}", String::from_utf8_lossy(&output.stderr));
        let told: Vec<&str> = told.split(' ').collect();
        assert_eq!((told[0], told[2]), ("200", "accept-encoding"));
        assert!(["gzip", "br", "zstd"].contains(&told[1]), "{told:?}");
        assert!(told[3].parse::<usize>().unwrap() < TEXT.len() * 400, "{told:?}");
    }
    // The connection to the service was free again each time.
    rig.await_metric("mamparo_proxy_requests_in_flight", 0);
    let mut client = rig.client();
    let plain = client.get("/known");
    assert_eq!((plain.text().len(), plain.header("content-encoding")), (TEXT.len() * 4000, None));
    assert_eq!(rig.metric(r#"mamparo_proxy_service_connects_total{service="it"}"#), 1);
    client.send("HEAD /known HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\n\r\n");
    let head = client.head().unwrap();
    assert_eq!(head.header("vary"), Some("accept-encoding"));
    assert_eq!(client.get("/known").status(), 200, "the connection goes on");
}

#[test]
fn an_answer_that_breaks_off_or_stands_still_ends_for_everybody() {
    let (asked, go) = mpsc::channel::<()>();
    let go = std::sync::Mutex::new(go);
    let service = Service::start(move |mut connection| {
        let request = connection.request().unwrap();
        connection.send("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n");
        connection.send(format!("{:x}\r\n{}\r\n", TEXT.len() * 100, TEXT.repeat(100)));
        if request.start.contains("still") {
            let _ = go.lock().unwrap().recv_timeout(PATIENCE);
        }
    });
    let settings = Settings {
        transform: Some(transform("compress: {}")),
        request_timeout: Duration::from_millis(300),
        ..Settings::default()
    };
    let rig = Rig::with(&[service.address], Limits::default(), settings);
    for path in ["/broken", "/still"] {
        let mut client = rig.client();
        client.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status(), answer.header("content-encoding")), (200, Some("gzip")));
        assert!(!answer.whole, "{path}");
    }
    rig.await_metric("mamparo_proxy_requests_in_flight", 0);
    assert_eq!(rig.metric(r#"mamparo_proxy_requests_total{route="all",status="aborted"}"#), 2);
    drop(asked);
}
