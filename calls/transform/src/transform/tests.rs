//! The order in which all of it happens, and what a file may say.

use http::{HeaderValue, Request, StatusCode};
use http_body_util::{Empty, Full};

use super::*;
use crate::external::Verdict;
use crate::fields::tests::{map, values};
use crate::variables::tests::Known;

fn read(yaml: &str) -> Result<Transform, InvalidConfig> {
    Transform::new(&serde_saphyr::from_str(yaml).unwrap())
}

fn request(method: &str, lines: &[(&'static str, &str)]) -> request::Parts {
    let (mut parts, ()) = Request::builder().method(method).uri("/a").body(()).unwrap().into_parts();
    parts.headers = map(lines);
    parts
}

fn answer(lines: &[(&'static str, &str)]) -> response::Parts {
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.headers = map(lines);
    parts
}

const ALL: &str = "
headers:
  request: {set: {x-from: '{client_ip}'}}
  answer: {remove: [server], set: {x-checked: route}}
  security: {frame_options: deny}
cors: {origins: ['https://a.example']}
compress: {codings: [gzip], min_bytes: 1}
grpc_web: {}
template:
  request: {body: {id: '{body.id}', capture: '{id}', from: '{header.x-from}'}}
  answer: {body: {data: '{body}'}}
external: {service: hook, body_bytes: 1000}
";

#[test]
fn a_request_and_its_answer_pass_all_of_it() {
    let transform = read(ALL).unwrap();
    assert_eq!(transform.captures().collect::<Vec<_>>(), ["id"]);
    let mut parts = request(
        "POST",
        &[
            ("origin", "https://a.example"),
            ("accept-encoding", "gzip"),
            ("content-type", "application/json"),
            ("if-none-match", "\"a\""),
            ("x-from", "forged"),
        ],
    );
    let mut exchange = transform.begin(&parts.method, &parts.headers);
    assert!(transform.preflight(&parts.method, &parts.headers).is_none());

    let hook = transform.external().unwrap();
    let hook_answer = br#"{"decision": "allow", "request": {"set": {"x-from": "hook"}},
        "answer": {"set": {"x-checked": "hook", "x-hook": "1"}}}"#;
    let json = map(&[("content-type", "application/json")]);
    let Ok(Verdict::Allow(allowed)) = hook.verdict(StatusCode::OK, &json, hook_answer) else { panic!() };
    transform.allowed(&mut exchange, allowed, &mut parts.headers);

    transform.request(&exchange, &mut parts, &Known);
    assert_eq!(values(&parts.headers, "x-from"), ["192.0.2.7"], "rules win over the hook");
    assert_eq!(values(&parts.headers, "accept-encoding"), ["identity"]);
    assert!(!parts.headers.contains_key("if-none-match"));
    let body = Bytes::from_static(b"{\"id\": 5, \"more\": 6}");
    assert_eq!(transform.rewrites_request(&Full::new(body.clone())), Some(65_536));
    let rewritten = transform.rewrite_request(&mut parts, &body, &Known).unwrap();
    assert_eq!(rewritten, r#"{"capture":"42","from":"192.0.2.7","id":5}"#);

    let mut parts = answer(&[("content-type", "application/json"), ("etag", "\"a\""), ("server", "x")]);
    let body = Bytes::from_static(b"[1]");
    assert_eq!(transform.rewrites_answer(&exchange, &parts, &Full::new(body.clone())), Some(65_536));
    let rewritten = transform.rewrite_answer(&mut parts, &body, &Known).unwrap();
    assert_eq!(rewritten, r#"{"data":[1]}"#);
    let plan = transform.answer(&exchange, &mut parts, &SizeHint::with_exact(12), &Known);
    assert!(!plan.is_plain());
    for (name, value) in [
        ("content-encoding", &["gzip"][..]),
        ("content-length", &[]),
        ("etag", &[]),
        ("server", &[]),
        ("x-checked", &["route"]),
        ("x-hook", &["1"]),
        ("x-frame-options", &["DENY"]),
        ("access-control-allow-origin", &["https://a.example"]),
        ("vary", &["origin", "accept-encoding"]),
    ] {
        assert_eq!(values(&parts.headers, name), value, "{name}");
    }
}

#[test]
fn what_is_not_configured_changes_nothing() {
    let transform = read("{}").unwrap();
    let lines =
        [("origin", "https://a.example"), ("accept-encoding", "gzip"), ("content-type", "application/json")];
    let mut parts = request("POST", &lines);
    let exchange = transform.begin(&parts.method, &parts.headers);
    transform.request(&exchange, &mut parts, &Known);
    assert_eq!(parts.headers, map(&lines));
    assert_eq!(transform.rewrites_request(&Full::new(Bytes::from_static(b"x"))), None);
    let lines = [
        ("content-type", "application/json"),
        ("access-control-allow-origin", "*"),
        ("content-length", "5000"),
    ];
    let mut parts = answer(&lines);
    let plan = transform.answer(&exchange, &mut parts, &SizeHint::with_exact(5000), &Known);
    assert!(plan.is_plain());
    assert_eq!(parts.headers, map(&lines));
    assert!(transform.external().is_none() && !exchange.is_grpc_web());
}

#[test]
fn an_answer_of_the_proxy_can_be_read_by_the_page_that_asked() {
    let transform = read(ALL).unwrap();
    let asked = map(&[("origin", "https://a.example"), ("accept-encoding", "gzip")]);
    let exchange = transform.begin(&Method::GET, &asked);
    let mut headers = map(&[("content-type", "application/problem+json"), ("content-length", "200")]);
    transform.own_answer(&exchange, &mut headers, &Known);
    assert_eq!(values(&headers, "access-control-allow-origin"), ["https://a.example"]);
    assert_eq!(values(&headers, "x-frame-options"), ["DENY"]);
    assert_eq!(values(&headers, "content-length"), ["200"]);
}

#[test]
fn bodies_that_are_not_there_are_not_put_together() {
    let transform = read(ALL).unwrap();
    assert_eq!(transform.rewrites_request(&Empty::<Bytes>::new()), None);
    let json = [("content-type", "application/json")];
    let body = Full::new(Bytes::from_static(b"1"));
    let get = transform.begin(&Method::GET, &HeaderMap::new());
    assert!(transform.rewrites_answer(&get, &answer(&json), &body).is_some());
    let head = transform.begin(&Method::HEAD, &HeaderMap::new());
    assert_eq!(transform.rewrites_answer(&head, &answer(&json), &body), None);
    assert_eq!(transform.rewrites_answer(&get, &answer(&[("content-type", "text/html")]), &body), None);
    for status in [204, 206, 304, 404, 500] {
        let mut parts = answer(&json);
        parts.status = StatusCode::from_u16(status).unwrap();
        assert_eq!(transform.rewrites_answer(&get, &parts, &body), None, "{status}");
    }
}

#[test]
fn a_call_by_grpc_web_is_told_as_one_both_ways() {
    let transform = read("{grpc_web: {}, headers: {request: {set: {te: x}}}}");
    assert_eq!(transform.unwrap_err().field, "headers.request.set.te");
    let transform =
        read("{grpc_web: {}, compress: {codings: [gzip], content_types: [application/grpc-web+proto]}}")
            .unwrap();
    let lines = [("content-type", "application/grpc-web+proto"), ("accept-encoding", "gzip")];
    let mut parts = request("POST", &lines);
    let exchange = transform.begin(&parts.method, &parts.headers);
    transform.request(&exchange, &mut parts, &Known);
    assert!(exchange.is_grpc_web());
    assert_eq!(values(&parts.headers, "content-type"), ["application/grpc+proto"]);
    let mut parts = answer(&[("content-type", "application/grpc+proto")]);
    let plan = transform.answer(&exchange, &mut parts, &SizeHint::with_exact(5), &Known);
    assert_eq!(plan.coding, Some(Coding::Gzip), "its length is not known before its trailers are");
    assert_eq!(parts.headers["content-type"], HeaderValue::from_static("application/grpc-web+proto"));
}

#[test]
fn a_wrong_value_is_named_by_its_whole_path() {
    for (yaml, field) in [
        ("headers: {request: {set: {host: a}}}", "headers.request.set.host"),
        ("cors: {origins: ['*', a]}", "cors.origins[0]"),
        ("compress: {gzip_level: 10}", "compress.gzip_level"),
        ("template: {answer: {body: ['{']}}", "template.answer.body[0]"),
        ("template: {request: {max_bytes: 0}}", "template.request.max_bytes"),
        ("external: {}", "external.service"),
    ] {
        let config: TransformConfig = serde_saphyr::from_str(yaml).unwrap();
        assert_eq!(config.check().unwrap_err().field, field);
    }
    for yaml in
        ["header: {}", "cors: {origin: a}", "headers: {security: {csp: a}}", "grpc_web: {binary: true}"]
    {
        assert!(serde_saphyr::from_str::<TransformConfig>(yaml).is_err(), "{yaml}");
    }
}

#[test]
fn a_file_that_was_written_reads_as_before() {
    let config: TransformConfig = serde_saphyr::from_str(ALL).unwrap();
    let written = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<TransformConfig>(&written).unwrap(), config);
    let schema = serde_json::to_string(&schemars::schema_for!(TransformConfig)).unwrap();
    assert!(schema.contains("\"grpc_web\""));
}

#[test]
fn what_every_request_carries_stays_small() {
    assert!(size_of::<Exchange>() <= 64, "{} bytes", size_of::<Exchange>());
    let body = size_of::<AnswerBody<Full<Bytes>>>();
    assert!(body <= 400, "{body} bytes");
}
