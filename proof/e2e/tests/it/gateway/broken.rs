//! Services that break: killed, stopped, slow, half closed, reset in the middle, or not speaking HTTP. Each has one
//! answer, which the client gets in time, over HTTP/1.1 and over HTTP/2.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::beside::Beside;
use super::node::Gateway;
use super::peers::{is_installed, server};
use crate::shop::{Patience, free_port};

const SHOWS: &str = "no service broke under the gateway";

/// Longer than any answer may take here: the deadline of the route is 3 seconds.
const ANSWER_MAX: Duration = Duration::from_secs(9);

/// What becomes of a request: the status, and the code of the problem or `ok`, or `broken` for a body that breaks off.
#[track_caller]
fn asked(gateway: &Gateway, protocol: &str, path: &str) -> (String, String) {
    let began = Patience::begin();
    let url = format!("http://{}{path}", gateway.plain);
    let mut command = Command::new("curl");
    command.args(["-sS", protocol, "--max-time", "20", "-w", "\n%{http_code}", &url]);
    let output = command.output().unwrap();
    assert!(began.elapsed() < ANSWER_MAX, "{protocol} {path}: after {:?}", began.elapsed());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = said.rsplit_once('\n').unwrap();
    let code = body.split_once(r#""code":""#).and_then(|(_, rest)| rest.split('"').next());
    let end = match (output.status.success(), code) {
        (false, _) => "broken",
        (true, Some(code)) => code,
        (true, None) if body == "ok" => "ok",
        (true, None) => "whole",
    };
    (status.to_owned(), end.to_owned())
}

/// What the service does, by its path, and what the client is answered.
const ANSWERS: &[(&str, &str, &str)] = &[
    // What is unusual, and good.
    ("/hints", "200", "ok"),
    ("/processing", "200", "ok"),
    ("/chunks", "200", "ok"),
    ("/chunk-extension", "200", "ok"),
    ("/no-content", "204", "whole"),
    ("/reason", "200", "ok"),
    ("/old", "200", "ok"),
    ("/odd-status", "299", "ok"),
    ("/latin", "200", "ok"),
    ("/both", "200", "ok"),
    ("/keep-alive", "200", "ok"),
    ("/until-close", "200", "ok"),
    ("/events", "200", "whole"),
    // What is not HTTP.
    ("/garbage", "502", "service-answer-malformed"),
    ("/http2", "502", "service-answer-malformed"),
    ("/bad-status", "502", "service-answer-malformed"),
    ("/small-status", "502", "service-answer-malformed"),
    ("/bad-length", "502", "service-answer-malformed"),
    ("/negative-length", "502", "service-answer-malformed"),
    ("/lengths-differ", "502", "service-answer-malformed"),
    ("/name-with-space", "502", "service-answer-malformed"),
    ("/value-with-nul", "502", "service-answer-malformed"),
    ("/no-colon", "502", "service-answer-malformed"),
    ("/switch", "502", "service-answer-malformed"),
    // What is too much of it.
    ("/many-headers", "502", "service-answer-malformed"),
    ("/large-header", "502", "service-answer-malformed"),
    ("/endless-head", "502", "service-answer-malformed"),
    ("/endless-continue", "502", "service-answer-malformed"),
    // Who breaks off before the answer.
    ("/close", "503", "service-broke-off"),
    ("/close-in-head", "503", "service-broke-off"),
    ("/half-closed", "503", "service-broke-off"),
    ("/reset", "503", "service-broke-off"),
    ("/reset-in-head", "503", "service-broke-off"),
    // Who breaks off within it: the client is not told that this was all.
    ("/close-in-body", "200", "broken"),
    ("/close-in-chunk", "200", "broken"),
    ("/close-between-chunks", "200", "broken"),
    ("/reset-in-body", "200", "broken"),
    ("/bad-chunk", "200", "broken"),
    // Who does not come to an end.
    ("/silence", "504", "service-timeout"),
    ("/silence-in-head", "504", "service-timeout"),
    ("/silence-in-body", "200", "broken"),
    ("/drip", "200", "broken"),
    ("/endless", "200", "broken"),
];

fn gateway(address: &str) -> Gateway {
    Gateway::start(
        &format!("{{it: {{address: '{address}'}}}}"),
        "  limits: {header_time: 5s, body_idle: 1s}\n  routes:\n  \
         - {match: {path: /}, service: it, public: true, timeout: 3s, answer_timeout: 1s}\n",
    )
}

#[test]
fn whatever_a_service_does_its_client_gets_the_one_answer_in_time() {
    if !is_installed("curl", SHOWS) {
        return;
    }
    let Some(service) = server("service.py", &[], SHOWS) else { return };
    let gateway = gateway(&service.said);
    let (descriptors, memory) = (gateway.descriptors(), gateway.memory());
    let beside = Beside::asks(format!("http://{}/ok", gateway.plain));
    let mut wrong = Vec::new();
    for protocol in ["--http1.1", "--http2-prior-knowledge"] {
        for (path, status, end) in ANSWERS {
            let came = asked(&gateway, protocol, path);
            // A stream of HTTP/2 that is reset may take its head along, which has not been sent yet.
            let is_lost = came.0 == "000" && came.1 == "broken" && *end == "broken";
            if is_lost && protocol != "--http1.1" {
                continue;
            }
            if came != ((*status).to_owned(), (*end).to_owned()) {
                wrong.push(format!("{protocol} {path} came to {came:?}, not to {status} {end}"));
            }
        }
        // Before its first byte could go on, the size of a chunk was found to be none.
        assert_eq!(asked(&gateway, protocol, "/huge-chunk").1, "broken");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(beside.was_served() >= 4);
    let grown = gateway.memory_peak().saturating_sub(memory);
    assert!(grown < 48 * 1024, "{grown} KiB more");
    gateway.rests(descriptors + 16);
    gateway.stop();
}

#[test]
fn a_service_that_is_killed_stopped_and_comes_back_is_told_apart() {
    if !is_installed("curl", SHOWS) {
        return;
    }
    let port = free_port().to_string();
    let Some(service) = server("service.py", &[&port], SHOWS) else { return };
    let gateway = gateway(&service.said);
    let is = |path: &str, status: &str, end: &str| {
        assert_eq!(asked(&gateway, "--http1.1", path), (status.to_owned(), end.to_owned()), "{path}");
    };
    is("/ok", "200", "ok");
    // It stands still: connections are taken by its machine, and nobody answers.
    service.signal(Signal::STOP);
    is("/ok", "504", "service-timeout");
    is("/again", "504", "service-timeout");
    service.signal(Signal::CONT);
    is("/ok", "200", "ok");
    // It is killed, with connections in the pool.
    service.signal(Signal::KILL);
    drop(service);
    is("/ok", "503", "service-unreachable");
    let Some(service) = server("service.py", &[&port], SHOWS) else { return };
    is("/ok", "200", "ok");
    // It is killed while it answers.
    let under_way = std::thread::scope(|threads| {
        let asks = threads.spawn(|| asked(&gateway, "--http1.1", "/drip"));
        gateway.await_metric("mamparo_proxy_requests_in_flight", |own| own == 1);
        // The head of the answer is on its way with the first event.
        std::thread::sleep(Duration::from_millis(300));
        drop(service);
        asks.join().unwrap()
    });
    assert_eq!(under_way, ("200".to_owned(), "broken".to_owned()));
    gateway.await_metric("mamparo_proxy_requests_in_flight", |own| own == 0);
    gateway.stop();
}
