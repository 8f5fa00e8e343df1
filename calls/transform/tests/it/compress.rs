//! What was compressed reads as before, whatever the pieces; and streams move.

use std::io::Read as _;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Body as _;
use mamparo_transform::BodyError;
use mamparo_transform::compress::{Coding, Compress, CompressConfig, Compressed};
use proptest::prelude::*;

use crate::script::{Line, Script, cut, cuts, read, trailers};

fn compressed(coding: Coding, script: Script) -> Compressed<Script> {
    Compress::new(&CompressConfig::default()).unwrap().body(coding, script).unwrap()
}

fn decompress(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match coding {
        Coding::Gzip => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap()),
        Coding::Br => drop(brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out).unwrap()),
        Coding::Zstd => out = zstd::stream::decode_all(bytes).unwrap(),
    }
    out
}

/// What a client has read of a stream that has not ended.
fn decompress_so_far(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    let mut decoder: Box<dyn std::io::Read> = match coding {
        Coding::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
        Coding::Br => Box::new(brotli::Decompressor::new(bytes, 4096)),
        Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(bytes).unwrap()),
    };
    let mut out = Vec::new();
    let mut byte = [0];
    while let Ok(1) = decoder.read(&mut byte) {
        out.push(byte[0]);
    }
    out
}

/// Text that repeats itself, noise, or both.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    let text =
        "[a-e ]{0,40}".prop_flat_map(|line| (0..4000usize).prop_map(move |n| line.repeat(n).into_bytes()));
    let noise = prop::collection::vec(any::<u8>(), 0..60_000);
    prop_oneof![text.clone(), noise.clone(), (text, noise).prop_map(|(text, noise)| [text, noise].concat())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_compressed_reads_as_before_whatever_the_pieces(
        bytes in contents(), cuts in cuts(40_000), known in any::<bool>(),
    ) {
        for coding in Coding::ALL {
            let mut lines = cut(&bytes, &cuts);
            lines.push(Line::Trailers(trailers()));
            let script = Script::new(lines);
            let script = if known { script.of_known_length() } else { script };
            let read = read(compressed(coding, script));
            prop_assert!(read.failure.is_none());
            prop_assert!(read.frames.iter().all(|frame| !frame.is_empty()));
            prop_assert_eq!(read.trailers, Some(trailers()));
            prop_assert!(decompress(coding, &read.data) == bytes);
        }
    }
}

/// The next piece that comes.
fn next(body: &mut Compressed<Script>) -> Bytes {
    let mut cx = Context::from_waker(Waker::noop());
    match Pin::new(body).poll_frame(&mut cx) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_event_arrives_before_the_next_one_is_there() {
    for coding in Coding::ALL {
        let event = |n: u8| Line::Data(Bytes::from(format!("data: {n}\n\n")));
        let mut body =
            compressed(coding, Script::new([event(1), Line::Pause, event(2), Line::Pause, event(3)]));
        let mut wire = next(&mut body).to_vec();
        assert_eq!(decompress_so_far(coding, &wire), b"data: 1\n\n", "{coding:?}");
        wire.extend(next(&mut body));
        assert_eq!(decompress_so_far(coding, &wire), b"data: 1\n\ndata: 2\n\n", "{coding:?}");
        wire.extend(read(body).data);
        assert_eq!(decompress(coding, &wire), b"data: 1\n\ndata: 2\n\ndata: 3\n\n");
    }
}

#[test]
fn an_answer_of_known_length_is_not_flushed_for_every_pause() {
    let pieces = || (0..64).flat_map(|n: u8| [Line::Data(Bytes::from(vec![b'a' + n % 7; 256])), Line::Pause]);
    let stream = read(compressed(Coding::Gzip, Script::new(pieces())));
    let known = read(compressed(Coding::Gzip, Script::new(pieces()).of_known_length()));
    assert_eq!((stream.frames.len(), known.frames.len()), (65, 1));
    assert!(known.data.len() < stream.data.len());
    let long = || (0..64).flat_map(|n: u8| [Line::Data(Bytes::from(vec![n; 4096])), Line::Pause]);
    let held = read(compressed(Coding::Gzip, Script::new(long()).of_known_length()));
    assert!(held.frames.len() > 5, "what is held long is let out: {}", held.frames.len());
}

#[test]
fn no_more_is_read_than_is_taken() {
    let mut noise = noise();
    let lines: Vec<Line> =
        (0..100).map(|_| Line::Data(Bytes::from(noise.by_ref().take(16_384).collect::<Vec<u8>>()))).collect();
    for coding in Coding::ALL {
        let script = Script::new(lines.clone());
        let taken = std::sync::Arc::clone(&script.taken);
        let mut body = compressed(coding, script);
        let mut cx = Context::from_waker(Waker::noop());
        let mut frame = Pin::new(&mut body).poll_frame(&mut cx);
        while frame.is_pending() {
            frame = Pin::new(&mut body).poll_frame(&mut cx);
        }
        let taken = taken.load(Ordering::Relaxed);
        // brotli gathers up to twice its window before it writes
        assert!(taken <= 40, "{coding:?} took {taken} pieces for its first frame");
    }
}

/// Bytes that cannot be compressed, the same in every run.
fn noise() -> impl Iterator<Item = u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some(state.to_le_bytes()[3])
    })
}

#[test]
fn others_work_between_the_pieces_of_what_compresses_to_nothing() {
    let zeros = Line::Data(Bytes::from(vec![0; 4 * 1024 * 1024]));
    let mut body = compressed(Coding::Zstd, Script::new([zeros]));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut body).poll_frame(&mut cx).is_pending());
    assert_eq!(decompress(Coding::Zstd, &read(body).data).len(), 4 * 1024 * 1024);
}

#[test]
fn a_body_that_breaks_breaks_its_compressed_form() {
    for coding in Coding::ALL {
        let script =
            Script::new([Line::Data(Bytes::from_static(b"abc")), Line::Fail, Line::Data(Bytes::new())]);
        let read = read(compressed(coding, script));
        assert!(matches!(read.failure, Some(BodyError::Inner(_))));
    }
}

#[test]
fn nothing_compressed_is_still_something() {
    for coding in Coding::ALL {
        let read = read(compressed(coding, Script::new([])));
        assert!(!read.data.is_empty());
        assert!(decompress(coding, &read.data).is_empty());
    }
}
