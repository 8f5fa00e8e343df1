//! Chromium: a page over HTTP/2 and TLS that fetches, uploads, listens to events and talks over a WebSocket, all on the
//! connections that a browser makes.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::node::{Gateway, HOST};
use super::peers::{Nginx, is_installed, server};
use crate::shop::Patience;

const SHOWS: &str = "no browser showed a page through the gateway";

const PAGE: &str = r#"<!doctype html><title>it</title><script type="module">
const told = {};
try {
  const texts = await Promise.all(Array.from({length: 40}, () => fetch("/ok").then(answer => answer.text())));
  told.fetched = texts.filter(text => text === "ok").length;
  const large = new Uint8Array(await (await fetch("/large")).arrayBuffer());
  told.large = large.length;
  const body = new Uint8Array(300000).fill(7);
  told.put = (await fetch("/up/page", {method: "PUT", body})).status;
  told.problem = (await (await fetch("/silence")).json()).code;
  told.events = await new Promise((done, failed) => {
    const events = []; const source = new EventSource("/events");
    source.onmessage = event => { events.push(event.data); if (events.length === 5) { source.close(); done(events); } };
    source.onerror = failed;
  });
  told.socket = await new Promise((done, failed) => {
    const socket = new WebSocket("wss://" + location.host + "/socket", "b");
    const heard = [];
    socket.onopen = () => { socket.send("hello"); socket.send("x".repeat(100000)); };
    socket.onmessage = message => { heard.push(message.data.length); if (heard.length === 2) socket.close(1000); };
    socket.onclose = close => done([...heard, close.code, socket.protocol]);
    socket.onerror = failed;
  });
  told.protocols = [...new Set(performance.getEntriesByType("resource").map(one => one.nextHopProtocol))];
} catch (error) { told.error = String(error) + " " + JSON.stringify(error); }
await fetch("/up/told", {method: "PUT", body: JSON.stringify(told)});
</script>"#;

#[test]
fn a_page_of_chromium_fetches_uploads_and_talks_over_http2() {
    if !is_installed("chromium", SHOWS) {
        return;
    }
    let Some(nginx) = Nginx::start("60s", SHOWS) else { return };
    let Some(odd) = server("service.py", &[], SHOWS) else { return };
    let Some(chat) = server("websocket_service.py", &[], SHOWS) else { return };
    let gateway = Gateway::start(
        &format!(
            "{{files: {{address: '{}'}}, odd: {{address: '{}'}}, chat: {{address: '{}'}}}}",
            nginx.http1, odd.said, chat.said
        ),
        "  routes:\n  - {match: {path: /}, service: files, public: true}\n  \
         - {match: {path: /events}, service: odd, public: true}\n  \
         - {match: {path: /silence}, service: odd, public: true, answer_timeout: 500ms}\n  \
         - {match: {path: /socket}, service: chat, public: true}\n",
    );
    fs::write(nginx.file("page.html"), PAGE).unwrap();
    nginx.serve("large", 3_000_000);
    let profile = gateway.folder().join("profile");
    let mut command = Command::new("chromium");
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-dev-shm-usage", "--ignore-certificate-errors"])
        .arg(format!("--host-resolver-rules=MAP {HOST}:443 {}", gateway.tls))
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--remote-debugging-port=0", &format!("https://{HOST}/page.html")]);
    let mut browser =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let patience = Patience::begin();
    let told = loop {
        match fs::read_to_string(nginx.file("up/told")) {
            Ok(told) if !told.is_empty() => break told,
            _ => assert!(patience.is_left(), "the page never told anything\n{}", gateway.log()),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let _ = browser.kill();
    let _ = browser.wait();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let expected = serde_json::json!({
        "fetched": 40, "large": 3_000_000, "put": 201, "problem": "service-timeout",
        "events": ["0", "1", "2", "3", "4"], "socket": [5, 100_000, 1000, "b"], "protocols": ["h2"],
    });
    assert_eq!(told, expected);
    assert_eq!(fs::read(nginx.file("up/page")).unwrap(), vec![7; 300_000]);
    gateway.await_metric("mamparo_proxy_requests_in_flight", |own| own == 0);
    gateway.stop();
}
