//! Bodies that are held whole, up to a bound, and what becomes of them behind one face.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response};
use http_body::Body;
use mamparo_transform::{
    BodyError, Content, GatherError, Transform, TransformConfig, Variable, Variables, Whole, gather,
};
use proptest::prelude::*;

use crate::script::{Broken, Line, Script, cut, cuts, read, trailers};

struct Nothing;

impl Variables for Nothing {
    fn value(&self, _: Variable<'_>) -> Option<std::borrow::Cow<'_, str>> {
        None
    }
}

fn gathered(script: Script, max: usize) -> Result<Whole, GatherError<Broken>> {
    let mut future = pin!(gather(script, max));
    loop {
        if let Poll::Ready(gathered) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return gathered;
        }
    }
}

proptest! {
    #[test]
    fn a_body_is_held_whole_or_not_at_all(
        bytes in prop::collection::vec(any::<u8>(), 0..300), cuts in cuts(90), max in 0usize..400, known in any::<bool>(),
    ) {
        let mut lines = cut(&bytes, &cuts);
        lines.push(Line::Trailers(trailers()));
        let script = Script::new(lines);
        let script = if known { script.of_known_length() } else { script };
        match gathered(script, max) {
            Ok(whole) => {
                prop_assert!(bytes.len() <= max);
                prop_assert_eq!(&whole, &Whole { data: bytes.into(), trailers: Some(trailers()) });
                let again = read(Content::<Script>::whole(whole.clone()));
                prop_assert_eq!((again.data, again.trailers), (whole.data.to_vec(), whole.trailers));
            }
            Err(GatherError::TooLarge { max: told }) => prop_assert!(bytes.len() > max && told == max),
            Err(GatherError::Inner(_)) => prop_assert!(false),
        }
    }
}

#[test]
fn a_body_that_says_that_it_is_too_long_is_not_read() {
    let script = Script::new([Line::Data(Bytes::from_static(b"abcd"))]).of_known_length();
    let taken = std::sync::Arc::clone(&script.taken);
    assert!(matches!(gathered(script, 3), Err(GatherError::TooLarge { max: 3 })));
    assert_eq!(taken.load(Ordering::Relaxed), 0);
}

#[test]
fn a_body_that_breaks_is_not_held() {
    let script = Script::new([Line::Data(Bytes::from_static(b"a")), Line::Fail]);
    assert!(matches!(gathered(script, 10), Err(GatherError::Inner(Broken))));
}

/// An answer of gRPC to a client that wants its text form compressed: both happen, in this order.
#[test]
fn trailers_are_told_before_they_are_compressed() {
    let yaml = "{grpc_web: {}, compress: {codings: [gzip], content_types: [application/grpc-web-text]}}";
    let config: TransformConfig = serde_saphyr::from_str(yaml).unwrap();
    let transform = Transform::new(&config).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/grpc-web-text"));
    headers.insert("accept-encoding", HeaderValue::from_static("gzip"));
    let exchange = transform.begin(&Method::POST, &headers);
    let answer = |script: Script| {
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        let body = Content::stream(script);
        let plan = transform.answer(&exchange, &mut parts, &body.size_hint(), &Nothing);
        read(transform.answer_body(plan, body).unwrap())
    };
    let mut status = HeaderMap::new();
    status.insert("grpc-status", HeaderValue::from_static("0"));
    let good = answer(Script::new([Line::Data(Bytes::from_static(b"abc")), Line::Trailers(status)]));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&good.data[..]), &mut text).unwrap();
    assert!(text.starts_with("YWJjgAAAABBncnBjLXN0YXR1czogMA0K"), "{text}");
    let broken = answer(Script::new([Line::Fail]));
    assert!(matches!(broken.failure, Some(BodyError::Inner(Broken))), "told as what it is");
}

#[test]
fn what_is_not_configured_passes_as_it_is() {
    let transform = Transform::new(&TransformConfig::default()).unwrap();
    let exchange = transform.begin(&Method::POST, &HeaderMap::new());
    let script =
        || Script::new([Line::Data(Bytes::from_static(b"a")), Line::Trailers(trailers())]).of_known_length();
    let body = transform.request_body(&exchange, Content::stream(script()));
    assert_eq!(body.size_hint().exact(), Some(1));
    let request = read(body);
    assert_eq!((request.data, request.trailers), (b"a".to_vec(), Some(trailers())));
    let answer = transform.answer_body(Default::default(), Content::stream(script())).unwrap();
    assert_eq!(answer.size_hint().exact(), Some(1));
    let answer = read(answer);
    assert_eq!((answer.data, answer.trailers), (b"a".to_vec(), Some(trailers())));
}
