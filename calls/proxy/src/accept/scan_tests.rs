//! The framing of requests: what passes, what is refused and why, in one piece and byte by byte.

use super::*;

const BOUNDS: Bounds = Bounds { header_bytes: 512, header_count: 8, uri_bytes: 64 };

fn whole(bytes: &[u8]) -> (usize, Option<Refusal>, u64) {
    let mut scanner = Scanner::new(BOUNDS);
    let fed = scanner.feed(bytes);
    (fed.passed, fed.refused, scanner.heads())
}

/// Feeds one byte more at a time, as the wire does with a head that is held back.
fn dripped(bytes: &[u8]) -> (usize, Option<Refusal>, u64) {
    let mut scanner = Scanner::new(BOUNDS);
    let (mut from, mut to) = (0, 0);
    while to < bytes.len() {
        to += 1;
        let fed = scanner.feed(&bytes[from..to]);
        from += fed.passed;
        if fed.refused.is_some() {
            return (from, fed.refused, scanner.heads());
        }
    }
    (from, None, scanner.heads())
}

#[test]
fn whole_requests_pass_in_any_slicing() {
    for (text, heads) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1),
        ("\r\nGET / HTTP/1.0\r\nHost: a\r\n\r\n", 1),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345", 1),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n", 2),
        ("POST / HTTP/1.1\r\nhost:a\r\ncontent-length:3 \r\n\r\nabcGET / HTTP/1.1\r\nHost: b\r\n\r\n", 2),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nt: v\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
            2,
        ),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\nX: \t\u{e9}\r\n\r\n", 1),
    ] {
        assert_eq!(whole(text.as_bytes()), (text.len(), None, heads), "{text:?}");
        assert_eq!(dripped(text.as_bytes()), (text.len(), None, heads), "{text:?}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    use Refusal::{Coding, Framing, HeaderTooLarge, Host, Malformed, UriTooLong, Version};
    let long = "x".repeat(600);
    let (any, frame) = (Malformed(""), Framing(""));
    for (text, why) in [
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", frame),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", frame),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", frame),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", frame),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", frame),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", frame),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", frame),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", frame),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", frame),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            frame,
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Coding),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n", Coding),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n", any),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", any),
        ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", any),
        ("GET / HTTP/1.1\r\nHost: a\r\nx: a\rb\r\n\r\n", any),
        ("GET / HTTP/1.1\r\nHost: a\r\nx: a\0b\r\n\r\n", any),
        ("GET / HTTP/1.1\nHost: a\n\n", any),
        ("GET / HTTP/1.1\r\nHost: a\nx: b\r\n\r\n", any),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", any),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", any),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", any),
        ("GET /\r\n\r\n", any),
        ("GET */ HTTP/1.1\r\nHost: a\r\n\r\n", any),
        ("GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", any),
        ("\u{16}\u{3}\u{1}", any),
        ("GET / HTTP/1.1\r\n\r\n", Host),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Host),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Version),
        (&format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), UriTooLong),
        (&format!("GET / HTTP/1.1\r\nHost: a\r\nx: {long}\r\n\r\n"), HeaderTooLarge),
        (&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(8)), HeaderTooLarge),
    ] {
        for (passed, refused, heads) in [whole(text.as_bytes()), dripped(text.as_bytes())] {
            let same = match (refused, why) {
                (Some(Malformed(_)), Malformed(_)) | (Some(Framing(_)), Framing(_)) => true,
                (Some(refused), why) => refused == why,
                (None, _) => false,
            };
            assert!(same, "{text:?}: {refused:?}");
            assert_eq!((passed, heads), (0, 0), "{text:?}");
        }
    }
}

#[test]
fn a_second_head_is_held_to_the_same_rules() {
    let good = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let bad = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (passed, refused, heads) = whole(format!("{good}{bad}").as_bytes());
    assert_eq!((passed, heads), (good.len(), 1));
    assert!(matches!(refused, Some(Refusal::Framing(_))));
}

#[test]
fn a_chunk_that_is_malformed_is_refused_in_place() {
    let lines = format!("0\r\n{}\r\n", "a: b\r\n".repeat(9));
    let long = format!("0\r\na: {}\r\n\r\n", "b".repeat(600));
    let extended = format!("1;{}\r\na\r\n", "x".repeat(1000)).repeat(17);
    // Trailers are lines of fields: what the parser behind would not take is refused here, in our words.
    for body in [
        "0\r\nabc\r\n\r\n",
        "0\r\n: a\r\n\r\n",
        "0\r\na b: c\r\n\r\n",
        "0\r\na:b\rc\r\n\r\n",
        "0\r\na: b\0\r\n",
        &lines,
        &long,
        &extended,
    ] {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (_, refused, heads) = whole(format!("{head}{body}").as_bytes());
        assert!(matches!(refused, Some(Refusal::Framing(_))), "{body:?}");
        assert_eq!(heads, 1);
    }
    for body in ["g\r\n", "\r\n", "3\nabc", "3\r\nabcX", "3\r\nabc\n", "0\r\nx\n", "0000000000000000\r\n"] {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (_, refused, heads) = whole(format!("{head}{body}").as_bytes());
        assert!(matches!(refused, Some(Refusal::Framing(_))), "{body:?}");
        assert_eq!(heads, 1);
    }
}

/// A method of any length was let through where it came in one piece, and refused where it came in two.
#[test]
fn a_line_is_refused_for_the_same_reason_however_it_arrives() {
    let long = |count| "x".repeat(count);
    for text in [
        format!("{} /{} HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(100), long(60)),
        format!("GET /{}\nHost: a\r\n\r\n", long(200)),
        format!("GET / HTTP/1.1\r\nHost: a\r\nx{}\n\r\n", long(600)),
        format!("\0{}\r\n", long(600)),
        format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\0\r\n\r\n", long(600)),
    ] {
        let (at_once, dripping) = (whole(text.as_bytes()), dripped(text.as_bytes()));
        assert!(at_once.1.is_some(), "{text:?}");
        let kind = |refused: Option<Refusal>| refused.map(|why| std::mem::discriminant(&why));
        assert_eq!((at_once.0, kind(at_once.1)), (dripping.0, kind(dripping.1)), "{text:?}");
    }
}
