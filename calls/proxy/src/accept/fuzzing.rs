//! What the fuzzer feeds: the bytes of a client become requests as on a connection of HTTP/1.1, without a socket, a
//! clock and a service. It decides nothing: it shows what the scanner and the parser behind it have decided.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mamparo_context::Clock;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::scan::{Bounds, Refusal, Scanner};
use super::serve::http1;
use super::wire::{Wire, WireIo};
use crate::limits::Limits;

/// Small enough for a fuzzer to reach every one of them.
pub fn limits() -> Limits {
    Limits { header_bytes: 512, header_count: 8, uri_bytes: 64, ..Limits::default() }
}

/// What the scanner says of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// So many bytes go on to the parser.
    pub passed: usize,
    /// So many heads are among them.
    pub heads: u64,
    /// Why nothing after them goes on.
    pub refused: Option<String>,
}

/// A request as the scanner sees it: where its head lies, and where its body ends if it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framed {
    /// The head, empty lines before it included.
    pub head: Range<usize>,
    /// The first byte after the body.
    pub end: Option<usize>,
}

/// What a connection came to.
#[derive(Debug, Default)]
pub struct Served {
    /// The requests, in their order: each with its body, as far as it came, and whether that was all of it.
    pub requests: Vec<(Request<Vec<u8>>, bool)>,
    /// All that the client was sent.
    pub answered: Vec<u8>,
    /// Whether the parser gave up.
    pub broken: bool,
}

/// What the scanner says of bytes that arrive in these pieces.
pub fn verdict(pieces: &[&[u8]]) -> Verdict {
    let (scanner, passed, refused) = scan(pieces, |_, _| {});
    Verdict { passed, heads: scanner.heads(), refused: refused.map(|why| format!("{why:?}")) }
}

/// The requests in bytes, as far as they are let through.
pub fn framed(bytes: &[u8]) -> Vec<Framed> {
    let mut all: Vec<Framed> = Vec::new();
    let mut from = 0;
    // Byte by byte, no two things happen in one step.
    let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
    scan(&pieces, |scanner, passed| {
        if scanner.heads() > all.len() as u64 {
            all.push(Framed { head: from..passed, end: None });
        }
        if let Some(last) = all.last_mut().filter(|last| last.end.is_none() && scanner.in_head()) {
            last.end = Some(passed);
            from = passed;
        }
    });
    all
}

/// Feeds pieces as the wire does.
fn scan(pieces: &[&[u8]], mut each: impl FnMut(&Scanner, usize)) -> (Scanner, usize, Option<Refusal>) {
    let limits = limits();
    let (header_bytes, header_count, uri_bytes) =
        (limits.header_bytes, limits.header_count, limits.uri_bytes);
    let mut scanner = Scanner::new(Bounds { header_bytes, header_count, uri_bytes });
    let (mut held, mut all) = (Vec::new(), 0);
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let fed = scanner.feed(&held);
            held.drain(..fed.passed);
            all += fed.passed;
            each(&scanner, all);
            if fed.refused.is_some() {
                return (scanner, all, fed.refused);
            }
            if !scanner.awaits_handover() {
                break;
            }
            scanner.hand_over_is_refused();
        }
    }
    (scanner, all, None)
}

/// Serves a client that sends these pieces and then ends what it sends. The service reads every request to its end
/// and has nothing to say; what is refused is answered as such.
///
/// # Panics
/// The connection waits for something that nobody will wake it for.
pub fn serve(pieces: &[&[u8]]) -> Served {
    thread_local! {
        // For its timers; it runs nothing.
        static RUNTIME: Option<tokio::runtime::Runtime> =
            tokio::runtime::Builder::new_current_thread().enable_time().build().ok();
    }
    RUNTIME.with(|runtime| {
        let _entered = runtime.as_ref().map(tokio::runtime::Runtime::enter);
        serve_within(pieces)
    })
}

fn serve_within(pieces: &[&[u8]]) -> Served {
    let limits = limits();
    let clock = Clock::manual().0;
    let wire = Rc::new(Wire::new(clock.now()));
    let served = Rc::new(RefCell::new(Served::default()));
    let client = Client {
        // Nothing at all would be the end.
        pieces: pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| piece.to_vec()).collect(),
        pauses: false,
        served: Rc::clone(&served),
    };
    let io = WireIo::http1(client, Vec::new(), &limits, Rc::clone(&wire), clock);
    let service = service_fn(|request| {
        let (wire, served) = (Rc::clone(&wire), Rc::clone(&served));
        async move {
            let answer = answer(&wire, request, &served).await;
            wire.hand_over(false);
            Ok::<_, Infallible>(answer)
        }
    });
    let mut connection = pin!(http1(&limits).serve_connection(TokioIo::new(io), service));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    loop {
        match connection.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(ended) => {
                let mut served = served.take();
                served.broken = ended.is_err();
                return served;
            }
            Poll::Pending => assert!(woken.0.swap(false, Ordering::Relaxed), "nobody wakes the connection"),
        }
    }
}

async fn answer(wire: &Wire, request: Request<Incoming>, served: &RefCell<Served>) -> Response<String> {
    let mut answer = Response::new(String::new());
    if wire.begin().is_some() {
        *answer.status_mut() = StatusCode::BAD_REQUEST;
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return answer;
    }
    let (parts, mut body) = request.into_parts();
    let (mut read, mut whole) = (Vec::new(), true);
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => read.extend_from_slice(&data),
            Ok(Err(_trailers)) => {}
            Err(_) => {
                whole = false;
                break;
            }
        }
    }
    // Said of the connection as soon as it is seen, be it in a request behind this one.
    if !whole && wire.body_is_broken() {
        *answer.status_mut() = StatusCode::BAD_REQUEST;
    }
    served.borrow_mut().requests.push((Request::from_parts(parts, read), whole));
    answer
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The client's end of a connection: each piece arrives by itself, and takes its time.
struct Client {
    pieces: VecDeque<Vec<u8>>,
    /// Whether the next piece is still on its way.
    pauses: bool,
    served: Rc<RefCell<Served>>,
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.pauses) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(mut piece) = self.pieces.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if rest.is_empty() {
                self.pauses = true;
            } else {
                self.pieces.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.served.borrow_mut().answered.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
