//! Calls by gRPC-Web, both ways, however they are cut into pieces.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use mamparo_transform::BodyError;
use mamparo_transform::grpc_web::{self, AnswerBody, Call, Form, RequestBody};
use proptest::prelude::*;

use crate::script::{Broken, Line, Script, cut, cuts, read};

const BINARY: Call = Call { request: Form::Binary, answer: Form::Binary };
const TEXT: Call = Call { request: Form::Text, answer: Form::Text };

fn status(code: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(code));
    trailers
}

fn answer(call: Call, in_head: bool, script: Script) -> AnswerBody<Script> {
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.headers.insert("content-type", HeaderValue::from_static("application/grpc+proto"));
    if in_head {
        parts.headers.insert("grpc-status", HeaderValue::from_static("5"));
    }
    AnswerBody::new(grpc_web::answer(call, &mut parts).unwrap(), script)
}

/// Reads text as clients do: group by group, with padding anywhere.
fn decode(text: &[u8]) -> Vec<u8> {
    text.chunks(4).flat_map(|group| STANDARD.decode(group).unwrap()).collect()
}

#[test]
fn trailers_become_the_last_message() {
    let mut trailers = status("0");
    trailers.append("x-a", HeaderValue::from_static("1"));
    trailers.append("x-a", HeaderValue::from_static("2"));
    let script =
        || Script::new([Line::Data(Bytes::from_static(b"\0\0\0\0\x01m")), Line::Trailers(trailers.clone())]);
    let lines = b"grpc-status: 0\r\nx-a: 1\r\nx-a: 2\r\n";
    let mut expected = b"\0\0\0\0\x01m\x80\0\0\0".to_vec();
    expected.push(u8::try_from(lines.len()).unwrap());
    expected.extend_from_slice(lines);
    let binary = read(answer(BINARY, false, script()));
    assert_eq!((binary.data, binary.trailers), (expected.clone(), None));
    assert_eq!(decode(&read(answer(TEXT, false, script())).data), expected);
}

#[test]
fn a_call_without_a_status_is_told_as_unknown() {
    for lines in [vec![], vec![Line::Data(Bytes::from_static(b"m"))], vec![Line::Trailers(HeaderMap::new())]]
    {
        for call in [BINARY, TEXT] {
            let data = read(answer(call, false, Script::new(lines.clone()))).data;
            let data = if call == TEXT { decode(&data) } else { data };
            assert!(data.windows(14).any(|at| at == b"grpc-status: 2"), "{lines:?}");
        }
    }
}

#[test]
fn a_status_in_the_head_is_enough() {
    for call in [BINARY, TEXT] {
        assert!(read(answer(call, true, Script::new([]))).data.is_empty());
        assert!(http_body::Body::is_end_stream(&answer(call, true, Script::new([]))));
        assert!(!http_body::Body::is_end_stream(&answer(call, false, Script::new([]))));
    }
}

#[test]
fn a_message_does_not_wait_for_the_next_one() {
    let mut body = answer(TEXT, false, Script::new([Line::Data(Bytes::from_static(b"mess")), Line::Pause]));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let mut text = Vec::new();
    for _ in 0..2 {
        let std::task::Poll::Ready(Some(Ok(frame))) =
            http_body::Body::poll_frame(std::pin::Pin::new(&mut body), &mut cx)
        else {
            panic!("it waits");
        };
        text.extend_from_slice(frame.data_ref().unwrap());
    }
    assert_eq!(decode(&text), b"mess");
}

#[test]
fn trailers_without_an_end_are_refused_and_failures_passed_on() {
    let mut trailers = status("0");
    for n in 0..80 {
        trailers.append("x-long", HeaderValue::from_str(&format!("{n}{}", "a".repeat(1000))).unwrap());
    }
    let long = read(answer(BINARY, false, Script::new([Line::Trailers(trailers)])));
    assert!(matches!(long.failure, Some(BodyError::Trailers)));
    let broken = read(answer(TEXT, false, Script::new([Line::Data(Bytes::from_static(b"m")), Line::Fail])));
    assert!(matches!(broken.failure, Some(BodyError::Inner(Broken))));
    assert_eq!(broken.data, b"", "half a group is not sent before a failure");
}

#[test]
fn text_that_is_none_breaks_the_request() {
    for (text, good) in [("AAAAAAFt", true), ("AAAAAAFt=", false), ("AAAA!AFt", false), ("AAAAAAF", false)] {
        for pieces in [vec![(1, true), (1, false)], vec![]] {
            let read = read(RequestBody::new(TEXT, Script::new(cut(text.as_bytes(), &pieces))));
            assert_eq!(read.failure.is_none(), good, "{text}");
            assert!(good || matches!(read.failure, Some(BodyError::Base64)));
        }
    }
}

proptest! {
    #[test]
    fn a_request_in_text_reads_as_its_bytes(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..5), cuts in cuts(100),
    ) {
        let bytes = messages.concat();
        let padded: String = messages.iter().map(|message| STANDARD.encode(message)).collect();
        let mut lines = cut(padded.as_bytes(), &cuts);
        lines.push(Line::Trailers(status("0")));
        let text = read(RequestBody::new(TEXT, Script::new(lines.clone())));
        prop_assert!(text.failure.is_none());
        prop_assert!(text.frames.iter().all(|frame| !frame.is_empty()));
        prop_assert_eq!((text.data, text.trailers), (bytes, Some(status("0"))));
        let binary = read(RequestBody::new(BINARY, Script::new(lines)));
        prop_assert_eq!(binary.data, padded.into_bytes());
    }

    #[test]
    fn an_answer_in_text_reads_as_one_in_bytes(bytes in prop::collection::vec(any::<u8>(), 0..500), cuts in cuts(60)) {
        let script = || {
            let mut lines = cut(&bytes, &cuts);
            lines.push(Line::Trailers(status("0")));
            Script::new(lines)
        };
        let text = read(answer(TEXT, false, script()));
        let binary = read(answer(BINARY, false, script()));
        prop_assert!(text.frames.iter().all(|frame| !frame.is_empty()));
        prop_assert_eq!(decode(&text.data), binary.data.clone());
        prop_assert!(binary.data.starts_with(&bytes));
    }
}
