//! HTTP/2 against its rules, frame by frame: each breach is refused or ends its connection, floods are bounded, and
//! somebody who behaves is served all the while.

use super::beside::Beside;
use super::node::Gateway;
use super::peers::{Nginx, script};

const SHOWS: &str = "no client broke the rules of HTTP/2 on purpose";

/// What each breach of `frames.py` may come to. `reset 1` and `goaway 1` are PROTOCOL_ERROR, `goaway 11`
/// ENHANCE_YOUR_CALM.
const WAYS: &[(&str, &[&str])] = &[
    // Floods: the connection ends, or nothing more is read than is answered.
    ("rapid-reset", &["goaway 11", "closed"]),
    ("made-you-reset", &["goaway 1", "goaway 11", "closed"]),
    ("continuation-flood", &["goaway 11", "closed"]),
    ("empty-continuation-flood", &["goaway 11", "closed"]),
    ("ping-flood", &["bounded"]),
    ("settings-flood", &["bounded"]),
    ("window-update-flood", &["bounded"]),
    ("priority-flood", &["bounded"]),
    ("empty-data-flood", &["goaway 11", "closed"]),
    // Those who take their time.
    ("zero-window", &["100 heads, 100 streams given up"]),
    ("stalled-upload", &["status 408"]),
    ("half-a-preface", &["closed"]),
    ("preface-and-silence", &["closed"]),
    // What is too much.
    ("too-many-streams", &["50 refused"]),
    ("header-bomb", &["goaway 11", "status 431", "closed"]),
    ("huge-headers", &["goaway 11", "status 431", "closed"]),
    ("many-headers", &["status 431"]),
    // What is good, or does no harm.
    ("good", &["status 200"]),
    ("te-trailers", &["status 200"]),
    ("host-instead", &["status 200"]),
    ("length-right", &["status 200"]),
    ("no-settings", &["status 200", "goaway 1"]),
    // The fragment stays here.
    ("path-with-fragment", &["status 200", "status 400", "reset 1"]),
    // A pseudo header among trailers is dropped.
    ("trailers-with-a-pseudo-header", &["status 200", "reset 1"]),
    ("good-after-bad", &["reset 1, alive"]),
    // What a request must say, once, and in its place.
    ("no-path", &["reset 1"]),
    ("no-method", &["reset 1"]),
    ("no-scheme", &["reset 1"]),
    ("no-authority", &["status 400", "reset 1"]),
    ("host-differs", &["status 400"]),
    ("host-twice", &["status 400"]),
    ("empty-path", &["reset 1"]),
    ("path-without-slash", &["reset 1", "status 400"]),
    ("path-with-space", &["reset 1", "status 400"]),
    ("path-with-line", &["reset 1", "status 400"]),
    ("method-with-space", &["goaway 1", "reset 1"]),
    ("method-connect", &["reset 1", "status 501"]),
    ("method-twice", &["reset 1"]),
    ("path-twice", &["reset 1"]),
    ("pseudo-after-header", &["reset 1"]),
    ("pseudo-unknown", &["reset 1", "goaway 1"]),
    ("pseudo-of-answers", &["reset 1"]),
    ("authority-with-user", &["status 400", "reset 1"]),
    ("authority-of-the-mesh", &["status 401"]),
    ("upper-case", &["goaway 1", "reset 1"]),
    ("connection", &["reset 1"]),
    ("transfer-encoding", &["reset 1"]),
    ("keep-alive", &["reset 1"]),
    ("upgrade", &["reset 1"]),
    ("te-gzip", &["reset 1"]),
    ("name-with-space", &["goaway 1", "reset 1"]),
    ("name-with-colon", &["goaway 1", "reset 1"]),
    ("name-empty", &["goaway 1", "reset 1"]),
    ("value-with-line", &["goaway 1", "reset 1"]),
    ("value-with-cr", &["goaway 1", "reset 1"]),
    ("value-with-lf", &["goaway 1", "reset 1"]),
    ("value-with-nul", &["goaway 1", "reset 1"]),
    // A length that is not the one of the body.
    ("length-twice", &["reset 1", "status 400"]),
    ("length-too-long", &["reset 1", "status 400"]),
    ("length-too-short", &["reset 1", "status 400"]),
    ("length-negative", &["reset 1", "status 400"]),
    ("length-plus", &["reset 1", "status 400"]),
    ("length-list", &["reset 1", "status 400"]),
    ("length-without-body", &["reset 1", "status 400"]),
    // Frames that must not be there.
    ("broken-table", &["goaway 1", "goaway 9"]),
    ("a-stream-again", &["goaway 1", "goaway 5"]),
    ("data-on-no-stream", &["goaway 1"]),
    ("data-on-an-idle-stream", &["goaway 1"]),
    ("headers-on-no-stream", &["goaway 1"]),
    ("even-stream", &["goaway 1"]),
    ("window-of-nothing", &["goaway 1"]),
    ("window-overflow", &["goaway 3"]),
    ("continuation-of-nothing", &["goaway 1"]),
    ("between-headers-and-continuation", &["goaway 1"]),
    ("ping-on-a-stream", &["goaway 1"]),
    ("ping-of-a-wrong-size", &["goaway 1", "goaway 6"]),
    ("settings-of-a-wrong-size", &["goaway 1", "goaway 6"]),
    ("settings-with-a-huge-window", &["goaway 1", "goaway 3"]),
    ("push-promise", &["goaway 1"]),
    ("frame-too-large", &["goaway 6"]),
    ("padding-too-long", &["goaway 1"]),
];

#[test]
fn every_breach_of_http2_is_answered_or_ends_its_connection_and_nobody_else_notices() {
    let Some(nginx) = Nginx::start("60s", SHOWS) else { return };
    nginx.serve("mega", 1024 * 1024);
    let gateway = Gateway::start(
        &format!("{{one: {{address: '{}'}}}}", nginx.http1),
        "  limits: {header_time: 3s, body_idle: 3s, idle: 5s, body: 1MiB}\n  \
         routes:\n  - {match: {path: /}, service: one, public: true, timeout: 4s}\n",
    );
    let (descriptors, memory) = (gateway.descriptors(), gateway.memory());
    let beside = Beside::asks(format!("http://{}/ok", gateway.plain));
    let ways: Vec<&str> = WAYS.iter().map(|(way, _)| *way).collect();
    let Some(said) = script("frames.py", &[&[gateway.plain.as_str()], &*ways].concat(), SHOWS) else {
        return;
    };
    let wrong: Vec<String> = WAYS
        .iter()
        .zip(said.lines())
        .filter(|((way, may), line)| {
            let came = line.strip_prefix(way).and_then(|rest| rest.strip_prefix(": "));
            came.is_none_or(|came| !may.contains(&came))
        })
        .map(|((way, may), line)| format!("{way} came to `{line}`, not to one of {may:?}"))
        .collect();
    assert!(wrong.is_empty() && said.lines().count() == WAYS.len(), "{wrong:#?}\n{said}");
    assert!(beside.was_served() >= 4);
    let grown = gateway.memory_peak().saturating_sub(memory);
    assert!(grown < 48 * 1024, "{grown} KiB more");
    // What keeps connections to the service open is its pool.
    gateway.rests(descriptors + 16);
    gateway.stop();
}
