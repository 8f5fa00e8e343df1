//! What a hook is asked, and which of its answers count.

use http::{HeaderMap, HeaderValue, Request, StatusCode};
use serde_json::{Value, json};

use super::*;
use crate::fields::tests::{map, values};
use crate::variables::tests::Known;

fn hook(yaml: &str) -> Result<External, InvalidConfig> {
    External::new(&serde_saphyr::from_str(yaml).unwrap())
}

fn verdict(answer: &Value) -> Result<Verdict, HookError> {
    let json = map(&[("content-type", "application/json")]);
    hook("service: a").unwrap().verdict(StatusCode::OK, &json, answer.to_string().as_bytes())
}

#[test]
fn a_hook_is_shown_what_it_was_promised() {
    let hook = hook("{service: a, headers: [X-User, accept, x-none, x-bytes], body_bytes: 100}").unwrap();
    let (mut parts, ()) = Request::post("/orders?dry=1").body(()).unwrap().into_parts();
    parts.headers = map(&[("accept", "a"), ("accept", "b"), ("x-user", "ana"), ("cookie", "secret")]);
    parts.headers.insert("x-bytes", HeaderValue::from_bytes(b"a\xff").unwrap());
    let asked =
        |body| -> Value { serde_json::from_slice(&hook.question(&parts, body, &Known).unwrap()).unwrap() };
    let question = json!({
        "version": 1, "request_id": null, "route": "orders", "client_ip": "192.0.2.7", "scheme": "https", "host": null,
        "method": "POST", "path": "/orders?dry=1",
        "headers": {"accept": ["a", "b"], "x-user": ["ana"], "x-bytes": ["a\u{fffd}"]},
    });
    assert_eq!(asked(None), question);
    for (body, encoding, data) in [(&b"{}"[..], "text", "{}"), (b"\xff", "base64", "/w=="), (b"", "text", "")]
    {
        let mut with_body = question.clone();
        with_body["body"] = json!({"encoding": encoding, "data": data});
        assert_eq!(asked(Some(body)), with_body);
    }
}

#[test]
fn a_hook_that_sees_no_bodies_is_shown_none() {
    let (parts, ()) = Request::post("http://a.example").body(()).unwrap().into_parts();
    let question = hook("service: a").unwrap().question(&parts, Some(b"x"), &Known).unwrap();
    let question: Value = serde_json::from_slice(&question).unwrap();
    assert_eq!((question.get("body"), &question["path"]), (None, &json!("/")));
}

#[test]
fn consent_changes_headers_in_its_order() {
    let answer = json!({"decision": "allow",
        "request": {"remove": ["X-Debug"], "set": {"x-a": "1"}, "add": {"x-b": "2"}}, "answer": {"set": {"x-c": "3"}}});
    let Ok(Verdict::Allow(allowed)) = verdict(&answer) else { panic!() };
    let mut headers = map(&[("x-debug", "1"), ("x-a", "0"), ("x-a", "0"), ("x-b", "1")]);
    allowed.request.apply(&mut headers);
    assert_eq!(
        (values(&headers, "x-a"), values(&headers, "x-b")),
        (vec!["1".into()], vec!["1".into(), "2".into()])
    );
    assert!(!headers.contains_key("x-debug"));
    let mut headers = HeaderMap::new();
    allowed.answer.apply(&mut headers);
    assert_eq!(values(&headers, "x-c"), ["3"]);
    assert_eq!(verdict(&json!({"decision": "allow"})), Ok(Verdict::Allow(Allowed::default())));
    assert!(Allowed::default().request.is_empty() && !allowed.answer.is_empty());
}

#[test]
fn a_denial_is_an_answer() {
    for (answer, status, content_type, body) in [
        (json!({"decision": "deny"}), 403, None, ""),
        (
            json!({"decision": "deny", "status": 429, "body": "no"}),
            429,
            Some("text/plain; charset=utf-8"),
            "no",
        ),
        (
            json!({"decision": "deny", "status": 302, "headers": {"Location": "/login", "content-type": "a/b"}, "body": "x"}),
            302,
            Some("a/b"),
            "x",
        ),
    ] {
        let Ok(Verdict::Deny(denied)) = verdict(&answer) else { panic!("{answer}") };
        let response = denied.into_response();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers().get("content-type").map(|value| value.to_str().unwrap()), content_type);
        assert_eq!(values(response.headers(), "content-length"), [body.len().to_string()]);
        assert_eq!(response.headers().contains_key("location"), status == 302);
        assert_eq!(response.body(), body);
    }
}

#[test]
fn an_answer_of_another_form_does_not_count() {
    for answer in [
        json!({}),
        json!({"decision": "maybe"}),
        json!({"decision": "ALLOW"}),
        json!({"decision": "allow", "extra": 1}),
        json!({"decision": "allow", "request": {"replace": {}}}),
        json!({"decision": "allow", "request": {"set": {"x-a": 1}}}),
        json!({"decision": "deny", "status": "403"}),
        json!([]),
    ] {
        assert!(matches!(verdict(&answer), Err(HookError::Form(_))), "{answer}");
    }
    for (answer, field) in [
        (json!({"decision": "allow", "status": 200}), "status"),
        (json!({"decision": "allow", "body": ""}), "body"),
        (json!({"decision": "deny", "answer": {}}), "answer"),
        (json!({"decision": "deny", "status": 200}), "status"),
        (json!({"decision": "deny", "status": 304}), "status"),
        (json!({"decision": "deny", "status": 99}), "status"),
        (json!({"decision": "deny", "headers": {"Content-Length": "5"}}), "headers.Content-Length"),
        (json!({"decision": "allow", "request": {"set": {"host": "a"}}}), "request.set.host"),
        (
            json!({"decision": "allow", "request": {"add": {"mamparo-principal": "a"}}}),
            "request.add.mamparo-principal",
        ),
        (json!({"decision": "allow", "request": {"set": {"x": "a\r\nb"}}}), "request.set.x"),
        (json!({"decision": "allow", "request": {"set": {"a b": ""}}}), "request.set.a b"),
        (json!({"decision": "allow", "answer": {"remove": ["connection"]}}), "answer.remove"),
        (json!({"decision": "allow", "answer": {"remove": vec!["a"; 65]}}), "answer.remove"),
    ] {
        let Err(HookError::Value { field: found, .. }) = verdict(&answer) else { panic!("{answer}") };
        assert_eq!(found, field);
    }
}

#[test]
fn an_answer_that_is_no_answer_does_not_count() {
    let hook = hook("service: a").unwrap();
    let json = map(&[("content-type", "application/json")]);
    let allow = b"{\"decision\":\"allow\"}";
    assert!(hook.verdict(StatusCode::OK, &json, allow).is_ok());
    let created = StatusCode::CREATED;
    assert_eq!(hook.verdict(created, &json, allow), Err(HookError::Status(created)));
    assert_eq!(hook.verdict(StatusCode::OK, &HeaderMap::new(), allow), Err(HookError::NotJson));
    let long = [&allow[..], &[b' '; 64 * 1024]].concat();
    assert_eq!(hook.verdict(StatusCode::OK, &json, &long), Err(HookError::TooLarge));
}

#[test]
fn what_cannot_be_asked_is_named() {
    for (yaml, field) in [
        ("{}", "service"),
        ("{service: a, path: x}", "path"),
        ("{service: a, path: '/a b'}", "path"),
        ("{service: a, timeout: 0s}", "timeout"),
        ("{service: a, timeout: 31s}", "timeout"),
        ("{service: a, headers: [x, 'a b']}", "headers[1]"),
        ("{service: a, body_bytes: 0}", "body_bytes"),
        ("{service: a, body_bytes: 1048577}", "body_bytes"),
    ] {
        assert_eq!(hook(yaml).map(|_| ()).map_err(|error| error.field), Err(field.to_owned()), "{yaml}");
    }
}
