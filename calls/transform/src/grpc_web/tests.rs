//! Heads of both protocols, side by side.

use http::{Request, Response};

use super::*;
use crate::fields::tests::{map, values};

fn call(content_type: &str, accept: Option<&str>) -> Option<Call> {
    let mut headers = map(&[("content-type", content_type)]);
    if let Some(accept) = accept {
        headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
    }
    detect(&GrpcWebConfig::default(), &Method::POST, &headers)
}

#[test]
fn calls_are_known_by_their_content_types() {
    use Form::{Binary, Text};
    for (content_type, accept, forms) in [
        ("application/grpc-web", None, Some((Binary, Binary))),
        ("application/grpc-web+proto", Some("*/*"), Some((Binary, Binary))),
        ("Application/gRPC-Web+Proto; charset=x", None, Some((Binary, Binary))),
        ("application/grpc-web-text", None, Some((Text, Text))),
        ("application/grpc-web-text+proto", Some("application/grpc-web-text"), Some((Text, Text))),
        ("application/grpc-web-text-base64", None, Some((Text, Text))),
        ("application/grpc-web+proto", Some("application/grpc-web-text+proto"), Some((Binary, Text))),
        ("application/grpc-web-text", Some("application/grpc-web"), Some((Text, Binary))),
        ("application/grpc-web+json", Some("a/b, application/grpc-web+json;q=1"), Some((Binary, Binary))),
        ("application/grpc", None, None),
        ("application/grpc+proto", Some("application/grpc-web-text"), None),
        ("application/grpc-webx", None, None),
        ("application/grpc-web+", None, None),
        ("application/json", None, None),
    ] {
        let found = call(content_type, accept).map(|call| (call.request, call.answer));
        assert_eq!(found, forms, "{content_type} {accept:?}");
    }
}

#[test]
fn what_is_no_post_or_no_text_is_no_call() {
    let headers = map(&[("content-type", "application/grpc-web-text")]);
    assert_eq!(detect(&GrpcWebConfig::default(), &Method::GET, &headers), None);
    assert_eq!(detect(&GrpcWebConfig { text: false }, &Method::POST, &headers), None);
    let asks_for_text =
        map(&[("content-type", "application/grpc-web"), ("accept", "application/grpc-web-text")]);
    assert_eq!(detect(&GrpcWebConfig { text: false }, &Method::POST, &asks_for_text), None);
    assert_eq!(detect(&GrpcWebConfig::default(), &Method::POST, &HeaderMap::new()), None);
}

#[test]
fn a_request_becomes_one_of_grpc() {
    for (content_type, length) in
        [("application/grpc-web+proto", true), ("application/grpc-web-text+proto", false)]
    {
        let (mut parts, ()) = Request::post("/a.B/c").body(()).unwrap().into_parts();
        parts.headers = map(&[
            ("content-type", content_type),
            ("content-length", "8"),
            ("accept", "application/grpc-web-text"),
            ("x-grpc-web", "1"),
            ("authorization", "a"),
            ("grpc-timeout", "1S"),
        ]);
        request(call(content_type, None).unwrap(), &mut parts);
        assert_eq!(values(&parts.headers, "content-type"), ["application/grpc+proto"]);
        assert_eq!(values(&parts.headers, "te"), ["trailers"]);
        assert_eq!(parts.headers.contains_key("content-length"), length, "{content_type}");
        let others = ["authorization", "grpc-timeout"].map(|name| parts.headers.contains_key(name));
        assert_eq!((others, parts.headers.len()), ([true, true], 4 + usize::from(length)));
    }
}

#[test]
fn an_answer_of_grpc_becomes_one_of_grpc_web_and_no_other_does() {
    let text = call("application/grpc-web-text", None).unwrap();
    for (content_type, becomes) in [
        (Some("application/grpc+proto"), Some("application/grpc-web-text+proto")),
        (Some("application/grpc"), Some("application/grpc-web-text")),
        (Some("application/grpc-web"), None),
        (Some("application/problem+json"), None),
        (None, None),
    ] {
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.headers = map(&[("content-length", "3"), ("trailer", "grpc-status")]);
        if let Some(content_type) = content_type {
            parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        }
        let form = answer(text, &mut parts);
        assert_eq!(form.is_some(), becomes.is_some());
        let said = values(&parts.headers, "content-type");
        assert_eq!(said.first().map(String::as_str), becomes.or(content_type));
        assert_eq!(parts.headers.contains_key("content-length"), becomes.is_none());
    }
}
