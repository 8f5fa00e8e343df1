//! nghttp and h2load: HTTP/2 as its own library speaks it, many streams at the same time.

use std::process::Command;

use super::node::Gateway;
use super::peers::{Nginx, is_installed};

const SHOWS: &str = "h2load and nghttp were not served through the gateway by nginx";

/// What a program says on both of its outputs.
#[track_caller]
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new("timeout").arg("60").arg(program).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    said
}

fn gateway(nginx: &Nginx) -> Gateway {
    Gateway::start(
        &format!(
            "{{one: {{address: '{}'}}, two: {{address: '{}', protocol: http2}}}}",
            nginx.http1, nginx.http2
        ),
        "  limits: {body: 1MiB}\n  routes:\n  \
         - {match: {path: /}, service: one, public: true}\n  \
         - {match: {path: /h2}, service: two, public: true, rewrite: {strip_prefix: true}}\n",
    )
}

#[test]
fn h2load_loses_nothing_over_either_protocol() {
    if !is_installed("h2load", SHOWS) {
        return;
    }
    let Some(nginx) = Nginx::start("60s", SHOWS) else { return };
    nginx.serve("kilo", 1024);
    nginx.serve("mega", 1024 * 1024);
    let gateway = gateway(&nginx);
    for (base, protocol) in [
        (format!("http://{}", gateway.plain), &["-p", "h2c"][..]),
        (format!("http://{}", gateway.plain), &["--h1"]),
        (format!("https://{}", gateway.tls), &[]),
        (format!("https://{}", gateway.tls), &["--h1"]),
    ] {
        // Streams of one connection: for HTTP/1.1, requests that are pipelined.
        for (path, requests, streams) in [
            ("/kilo", "2000", if protocol == ["--h1"] { "4" } else { "50" }),
            ("/h2/kilo", "2000", if protocol == ["--h1"] { "4" } else { "50" }),
            ("/mega", "40", "4"),
            ("/h2/mega", "40", "4"),
        ] {
            let url = format!("{base}{path}");
            let said =
                run("h2load", &[protocol, &["-n", requests, "-c", "10", "-m", streams, &url]].concat());
            let all = format!(
                "requests: {requests} total, {requests} started, {requests} done, {requests} succeeded, 0 failed, 0 errored, 0 timeout"
            );
            assert!(said.contains(&all), "{protocol:?} {url}: {said}");
        }
    }
    gateway.await_metric("mamparo_proxy_connections", |own| own == 0);
    gateway.stop();
}

#[test]
fn nghttp_hears_what_is_refused_before_its_body_is_sent() {
    if !is_installed("nghttp", SHOWS) {
        return;
    }
    let Some(nginx) = Nginx::start("60s", SHOWS) else { return };
    let gateway = gateway(&nginx);
    let body = gateway.folder().join("body");
    for (bytes, status) in [(100_000, 200), (8 * 1024 * 1024, 413)] {
        std::fs::write(&body, super::peers::content(bytes)).unwrap();
        for path in ["/posted", "/h2/posted"] {
            let (url, data) = (format!("http://{}{path}", gateway.plain), body.display().to_string());
            let said = run("nghttp", &["-v", "-d", &data, &url]);
            assert!(said.contains(&format!(":status: {status}")), "{bytes} {path}: {said}");
            // Without the length, the bound is found while the body comes.
            let said = run("nghttp", &["-v", "--no-content-length", "-d", &data, &url]);
            assert!(said.contains(&format!(":status: {status}")), "{bytes} {path} open-ended: {said}");
        }
    }
    gateway.stop();
}
