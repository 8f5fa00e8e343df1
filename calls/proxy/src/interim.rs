//! What a service says before its answer (1xx; in practice 103, RFC 8297), on its way to the client: which of it goes on,
//! and how much. It is said into the connection of the client while that waits for the answer and has taken all that was
//! said before; what cannot be said then is dropped, since nobody may depend on it (RFC 9110, 15.2).
//!
//! For clients of HTTP/1.1 alone: HTTP/1.0 does not know such answers, and the parser of HTTP/2 has no way to say them.

use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use http::header::{self, HeaderMap};
use http::{Request, StatusCode};

use crate::accept::Wire;
use crate::hop_by_hop;
use crate::limits::{INTERIM_ANSWERS, INTERIM_BYTES};

/// The interim answers to one request, to all that is sent of it.
#[derive(Clone)]
pub(crate) struct Interim {
    wire: Rc<Wire>,
    heard: Arc<Mutex<Heard>>,
}

/// What has come and was not passed on yet. Whoever reads the connection to the service puts it there.
#[derive(Debug, Default)]
struct Heard {
    bytes: Vec<u8>,
    answers: usize,
    /// Who passes it on.
    waker: Option<Waker>,
}

impl fmt::Debug for Interim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interim").finish_non_exhaustive()
    }
}

impl Interim {
    /// Those that go to the client on `wire`.
    pub(crate) fn to(wire: &Rc<Wire>) -> Self {
        Self { wire: Rc::clone(wire), heard: Arc::default() }
    }

    /// Listens for those to `request`, which is just being sent.
    pub(crate) fn listen<B>(&self, request: &mut Request<B>) {
        let heard = Arc::clone(&self.heard);
        hyper::ext::on_informational(request, move |answer| {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            if heard.hears(answer.status(), answer.headers())
                && let Some(waker) = heard.waker.take()
            {
                waker.wake();
            }
        });
    }

    /// Gives the wire what has come, now and whenever more comes.
    pub(crate) fn pass_on(&self, cx: &Context<'_>) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if !heard.bytes.is_empty() {
            self.wire.says_meanwhile(std::mem::take(&mut heard.bytes));
        }
        heard.waker = Some(cx.waker().clone());
    }
}

impl Heard {
    /// An interim answer has come: whether it goes on.
    fn hears(&mut self, status: StatusCode, headers: &HeaderMap) -> bool {
        // The first two are between two neighbours: whether to go on with a body, and what is spoken from now on.
        let passes = status.is_informational()
            && !matches!(status, StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS);
        if !passes || self.answers >= INTERIM_ANSWERS {
            return false;
        }
        let answer = encode(status, headers.clone());
        if self.bytes.len() + answer.len() > INTERIM_BYTES {
            return false;
        }
        self.answers += 1;
        self.bytes.extend(answer);
        true
    }
}

/// As it goes over the wire.
fn encode(status: StatusCode, mut headers: HeaderMap) -> Vec<u8> {
    hop_by_hop::strip(&mut headers);
    // It has no body (RFC 9110, 8.6).
    headers.remove(header::CONTENT_LENGTH);
    let reason = status.canonical_reason().unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    for (name, value) in &headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HeaderValue;

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        let one = |&(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value));
        of.iter().map(one).collect()
    }

    #[test]
    fn what_belongs_to_one_connection_does_not_go_on() {
        let headers = headers(&[
            ("link", "</a.css>; rel=preload"),
            ("connection", "x-own"),
            ("x-own", "1"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("keep-alive", "timeout=5"),
        ]);
        let said = String::from_utf8(encode(StatusCode::EARLY_HINTS, headers)).unwrap();
        assert_eq!(said, "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n");
        let other = StatusCode::from_u16(199).unwrap();
        assert_eq!(encode(other, HeaderMap::new()), b"HTTP/1.1 199 \r\n\r\n");
    }

    #[test]
    fn those_of_two_neighbours_and_those_beyond_the_bounds_do_not_go_on() {
        let mut heard = Heard::default();
        let none = HeaderMap::new();
        assert!(!heard.hears(StatusCode::CONTINUE, &none) && !heard.hears(StatusCode::OK, &none));
        assert!(!heard.hears(StatusCode::SWITCHING_PROTOCOLS, &none));
        let mut large = HeaderMap::new();
        large.insert("link", HeaderValue::from_str(&"x".repeat(INTERIM_BYTES)).unwrap());
        assert!(!heard.hears(StatusCode::EARLY_HINTS, &large));
        assert!(heard.bytes.is_empty());
        for number in 0..2 * INTERIM_ANSWERS {
            assert_eq!(heard.hears(StatusCode::EARLY_HINTS, &none), number < INTERIM_ANSWERS, "{number}");
        }
        assert_eq!(heard.bytes.len(), INTERIM_ANSWERS * b"HTTP/1.1 103 Early Hints\r\n\r\n".len());
    }
}
