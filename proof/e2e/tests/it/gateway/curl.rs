//! curl in front and nginx behind: each protocol on either side, bodies of every size, ranges, and what is said
//! before an answer.

use std::fs;
use std::process::Command;

use super::node::{Gateway, HOST};
use super::peers::{Nginx, content, is_installed};

const SHOWS: &str = "curl was not served through the gateway by nginx";
const LARGE: usize = 64 * 1024 * 1024;

/// What curl does with these arguments: what it printed.
#[track_caller]
fn curl(gateway: &Gateway, protocol: &[&str], arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["-sS", "--globoff", "--max-time", "60", "--cacert"]).arg(gateway.authority());
    command.args(["--connect-to", &format!("{HOST}:443:{}", gateway.tls)]);
    command.args(["--connect-to", &format!("{HOST}:80:{}", gateway.plain)]);
    let output = command.args(protocol).args(arguments).output().unwrap();
    let (said, talk) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{protocol:?} {arguments:?}: {said}{talk}");
    said.into_owned()
}

#[test]
fn curl_is_served_by_nginx_over_every_pair_of_protocols() {
    if !is_installed("curl", SHOWS) {
        return;
    }
    let Some(nginx) = Nginx::start("60s", SHOWS) else { return };
    let services = format!(
        "{{one: {{address: '{}'}}, two: {{address: '{}', protocol: http2}}}}",
        nginx.http1, nginx.http2
    );
    let gateway = Gateway::start(
        &services,
        "  limits: {body: 100MiB}\n  routes:\n  \
         - {match: {path: /}, service: one, public: true}\n  \
         - {match: {path: /h2}, service: two, public: true, rewrite: {strip_prefix: true}}\n",
    );
    let large = nginx.serve("large", LARGE);
    nginx.serve("small", 1000);
    let got = gateway.folder().join("got");
    let sent = gateway.folder().join("sent");
    fs::write(&sent, content(LARGE)).unwrap();
    let (got_path, sent_path) = (got.display().to_string(), format!("@{}", sent.display()));
    let idle = gateway.memory();
    for (scheme, protocol, version) in [
        ("http", "--http1.1", "1.1"),
        ("http", "--http2-prior-knowledge", "2"),
        ("https", "--http1.1", "1.1"),
        ("https", "--http2", "2"),
    ] {
        for prefix in ["", "/h2"] {
            let url = |path: &str| format!("{scheme}://{HOST}{prefix}{path}");
            let ask = |arguments: &[&str]| curl(&gateway, &[protocol], arguments);
            let what = format!("{scheme} {protocol} {prefix}");
            let said = ask(&["-w", " %{http_code} %{http_version}", &url("/ok")]);
            assert_eq!(said, format!("ok 200 {version}"), "{what}");
            // Two requests, one connection; curl 7.88 does not know one again that it began with HTTP/2.
            if protocol != "--http2-prior-knowledge" {
                let again = url("/ok");
                assert_eq!(ask(&["-w", " %{num_connects};", &again, &again]), "ok 1;ok 0;", "{what}");
            }
            // A whole file, a part of it, several parts, one that has not changed, one that is not there.
            ask(&["-o", &got_path, &url("/large")]);
            assert!(fs::read(&got).unwrap() == large, "{what}: a large answer differs");
            let part = ["-w", "%{http_code}", "-r", "1000000-1999999", "-o", &got_path, &url("/large")];
            assert_eq!(ask(&part), "206", "{what}");
            assert!(fs::read(&got).unwrap() == large[1_000_000..2_000_000], "{what}: a part differs");
            let parts =
                ["-w", "%{http_code} %{content_type}", "-r", "0-9,20-29", "-o", &got_path, &url("/small")];
            assert!(ask(&parts).starts_with("206 multipart/byteranges"), "{what}");
            assert_eq!(ask(&["-w", "%{http_code}", "-r", "5000-", "-o", "/dev/null", &url("/small")]), "416");
            let head = ask(&["-I", &url("/small")]).to_ascii_lowercase();
            let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            assert_eq!(header("content-length:"), Some("1000"), "{what}: {head}");
            let known = format!("if-none-match: {}", header("etag:").unwrap());
            let same = ask(&["-w", "%{http_code} %{size_download}", "-H", &known, &url("/small")]);
            assert_eq!(same, "304 0", "{what}");
            assert_eq!(ask(&["-w", "%{http_code}", "-o", "/dev/null", &url("/none")]), "404", "{what}");
            // Uploads: with their length, without, with an empty body, and only after having asked.
            let put = ["-T", &sent_path[1..], "-w", "%{http_code}", &url("/up/large")];
            assert!(["201", "204"].contains(&ask(&put).as_str()), "{what}");
            assert!(fs::read(nginx.file("up/large")).unwrap() == large, "{what}: an upload differs");
            let posted = ["-H", "expect:", "--data-binary", &sent_path, &url("/posted")];
            assert_eq!(ask(&posted), LARGE.to_string(), "{what}");
            let asked = ["-H", "expect: 100-continue", "--data-binary", &sent_path, &url("/posted")];
            assert_eq!(ask(&asked), LARGE.to_string(), "{what}");
            assert_eq!(ask(&["-d", "", &url("/posted")]), "0", "{what}: a body of no length");
            if version == "1.1" {
                let chunks =
                    ["-H", "transfer-encoding: chunked", "--data-binary", &sent_path, &url("/posted")];
                assert_eq!(ask(&chunks), LARGE.to_string(), "{what}");
            }
        }
    }
    let grown = gateway.memory_peak().saturating_sub(idle);
    assert!(grown < 48 * 1024, "bodies are passed on, not kept: {grown} KiB more");
    gateway.rests(gateway.descriptors());
    gateway.stop();
}

#[test]
fn what_is_too_large_is_told_to_curl_over_every_protocol() {
    if !is_installed("curl", SHOWS) {
        return;
    }
    let Some(nginx) = Nginx::start("60s", SHOWS) else { return };
    let gateway = Gateway::start(
        &format!("{{one: {{address: '{}'}}}}", nginx.http1),
        "  limits: {body: 1MiB, header: 16KiB}\n  routes:\n  - {match: {path: /}, service: one, public: true}\n",
    );
    let sent = gateway.folder().join("sent");
    fs::write(&sent, content(8 * 1024 * 1024)).unwrap();
    let data = format!("@{}", sent.display());
    let long = format!("x: {}", "y".repeat(20_000));
    for (scheme, protocol) in [
        ("http", "--http1.1"),
        ("http", "--http2-prior-knowledge"),
        ("https", "--http1.1"),
        ("https", "--http2"),
    ] {
        let url = |path: &str| format!("{scheme}://{HOST}{path}");
        let status = ["-w", "%{http_code}", "-o", "/dev/null"];
        let told = |arguments: &[&str]| curl(&gateway, &[protocol], &[&status, arguments].concat());
        let what = format!("{scheme} {protocol}");
        // Over HTTP/2, curl 7 does not take an answer that comes before its body is sent, whoever gives it.
        if protocol == "--http1.1" {
            let open_ended = ["-H", "transfer-encoding: chunked", "-T", &data[1..], "-X", "POST"];
            for how in
                [&["-H", "expect:", "--data-binary", &data][..], &["--data-binary", &data], &open_ended]
            {
                assert_eq!(told(&[how, &[&url("/posted")]].concat()), "413", "{what} {how:?}");
            }
        }
        assert_eq!(told(&["-H", &long, &url("/ok")]), "431", "{what}");
        assert_eq!(told(&[&url(&format!("/{}", "z".repeat(9000)))]), "414", "{what}");
    }
    gateway.stop();
}
