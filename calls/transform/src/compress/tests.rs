//! Which answers are compressed, and what their heads say then.

use http::Response;

use super::*;
use crate::fields::tests::{map, values};

fn answer(status: u16, lines: &[(&'static str, &str)]) -> response::Parts {
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.status = StatusCode::from_u16(status).unwrap();
    parts.headers = map(lines);
    parts
}

fn read(yaml: &str) -> Result<Compress, InvalidConfig> {
    Compress::new(&serde_saphyr::from_str(yaml).unwrap())
}

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

#[test]
fn a_compressed_answer_says_so() {
    let lines = [
        JSON,
        ("content-length", "5000"),
        ("etag", "\"a\""),
        ("accept-ranges", "bytes"),
        ("content-digest", "sha-256=:x:"),
        ("vary", "origin"),
        ("last-modified", "x"),
    ];
    let mut parts = answer(200, &lines);
    let compress = read("{}").unwrap();
    let coding = compress.answer(Some(Coding::Gzip), false, &mut parts, &SizeHint::with_exact(5000));
    assert_eq!(coding, Some(Coding::Gzip));
    let mut left: Vec<_> = parts.headers.keys().map(|name| name.as_str()).collect();
    left.sort_unstable();
    assert_eq!(left, ["content-encoding", "content-type", "etag", "last-modified", "vary"]);
    assert_eq!(values(&parts.headers, "content-encoding"), ["gzip"]);
    assert_eq!(values(&parts.headers, "etag"), ["W/\"a\""]);
    assert_eq!(values(&parts.headers, "vary"), ["origin", "accept-encoding"]);
}

#[test]
fn some_answers_are_left_alone() {
    let compress = read("{content_types: ['text/*', '*+json', application/json]}").unwrap();
    let no_size = SizeHint::default();
    let exact = SizeHint::with_exact;
    for (status, lines, size, is_compressed, varies) in [
        (200, &[JSON][..], no_size, true, true),
        (200, &[JSON], exact(1024), true, true),
        (404, &[("content-type", "application/problem+json")], no_size, true, true),
        (200, &[("content-type", "Text/HTML")], no_size, true, true),
        (200, &[JSON, ("content-encoding", "identity")], no_size, true, true),
        (200, &[JSON], exact(1023), false, false),
        (200, &[JSON, ("content-length", "10")], no_size, false, false),
        (200, &[JSON], exact(0), false, false),
        (200, &[JSON, ("content-encoding", "br")], no_size, false, false),
        (206, &[JSON], no_size, false, false),
        (200, &[JSON, ("content-range", "bytes 0-1/2")], no_size, false, false),
        (204, &[JSON], no_size, false, false),
        (101, &[JSON], no_size, false, false),
        (304, &[], no_size, false, true),
        (200, &[JSON, ("cache-control", "no-transform")], no_size, false, false),
        (200, &[("content-type", "image/png")], no_size, false, false),
        (200, &[("content-type", "text/event-stream")], no_size, false, false),
        (200, &[("content-type", "application/grpc+json")], no_size, false, false),
        (200, &[], no_size, false, false),
    ] {
        let mut parts = answer(status, lines);
        let coding = compress.answer(Some(Coding::Br), false, &mut parts, &size);
        assert_eq!(coding.is_some(), is_compressed, "{status} {lines:?}");
        assert_eq!(parts.headers.contains_key("vary"), varies, "{status} {lines:?}");
        let to_nobody = compress.answer(None, false, &mut answer(status, lines), &size);
        assert_eq!(to_nobody, None);
    }
}

#[test]
fn an_answer_to_head_has_no_body_to_compress_and_varies() {
    let mut parts = answer(200, &[JSON, ("content-length", "5000"), ("etag", "\"a\"")]);
    let coding = read("{}").unwrap().answer(Some(Coding::Gzip), true, &mut parts, &SizeHint::with_exact(0));
    assert_eq!((coding, values(&parts.headers, "vary")), (None, vec!["accept-encoding".to_owned()]));
    assert_eq!(values(&parts.headers, "content-length"), ["5000"]);
}

#[test]
fn what_has_not_changed_is_named_as_the_compressed_answer_was() {
    let compress = read("{}").unwrap();
    for (accepted, etag) in [(Some(Coding::Gzip), "W/\"a\""), (None, "\"a\"")] {
        let mut parts = answer(304, &[("etag", "\"a\"")]);
        assert_eq!(compress.answer(accepted, false, &mut parts, &SizeHint::with_exact(0)), None);
        assert_eq!(values(&parts.headers, "etag"), [etag]);
    }
    let mut weak = answer(304, &[("etag", "W/\"a\"")]);
    compress.answer(Some(Coding::Gzip), false, &mut weak, &SizeHint::with_exact(0));
    assert_eq!(values(&weak.headers, "etag"), ["W/\"a\""]);
}

#[test]
fn a_stream_of_events_is_compressed_where_it_is_named() {
    let mut parts = answer(200, &[("content-type", "text/event-stream")]);
    let compress = read("content_types: [text/event-stream]").unwrap();
    assert!(compress.answer(Some(Coding::Gzip), false, &mut parts, &SizeHint::default()).is_some());
}

#[test]
fn a_client_may_ask_for_the_answer_as_it_is() {
    let compress = read("{}").unwrap();
    assert_eq!(compress.accepted(&map(&[("accept-encoding", "gzip")])), Some(Coding::Gzip));
    let as_it_is = map(&[("accept-encoding", "gzip"), ("cache-control", "no-transform")]);
    assert_eq!(compress.accepted(&as_it_is), None);
}

#[test]
fn what_cannot_be_done_is_named() {
    for (yaml, field) in [
        ("codings: []", "codings"),
        ("codings: [gzip, br, gzip]", "codings[2]"),
        ("min_bytes: 99999999", "min_bytes"),
        ("gzip_level: 0", "gzip_level"),
        ("brotli_quality: 10", "brotli_quality"),
        ("zstd_level: 13", "zstd_level"),
        ("content_types: []", "content_types"),
        ("content_types: [text/html, text]", "content_types[1]"),
        ("content_types: ['*/*']", "content_types[0]"),
        ("content_types: ['text/html; charset=utf-8']", "content_types[0]"),
        ("content_types: [application/grpc+proto]", "content_types[0]"),
    ] {
        assert_eq!(read(yaml).map(|_| ()).map_err(|error| error.field), Err(field.to_owned()), "{yaml}");
    }
}
