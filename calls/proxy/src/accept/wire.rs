//! The socket as the HTTP parser sees it: heads reach it only whole and only when [`Scanner`] let them in. A head
//! that is refused is replaced by a small request of our own, in its place in the order of the connection, so
//! that it is answered like any other, after those before it; nothing behind it is read.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use mamparo_context::Clock;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::meanwhile::Meanwhile;
use super::scan::{Bounds, Fed, Refusal, Scanner};
use crate::limits::{FIRST_BYTES, H2_RESET_WINDOW, H2_RESETS, Limits};

/// What stands in for a request that was refused.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

/// What the socket, the requests on it and the keeper of the connection know of each other.
pub(crate) struct Wire {
    /// Requests that reached the parser.
    begun: Cell<u64>,
    /// Requests that are answered, body and all.
    ended: Cell<u64>,
    /// The number of the request that stands in for a refused one, and why.
    refusal: Cell<Option<(u64, Refusal)>>,
    /// Whether a chunk of the body that is being read was malformed.
    broken_body: Cell<bool>,
    /// Since when the connection waits for what it waits for.
    since: Cell<Instant>,
    /// Since when a head is there in part.
    head_since: Cell<Option<Instant>>,
    /// Since when the client takes no bytes.
    stalled_since: Cell<Option<Instant>>,
    /// Set when the head did not come in time.
    head_is_late: Cell<bool>,
    /// Set when one of the times above may end sooner than the keeper of the connection expects.
    sooner: Cell<bool>,
    /// Whether the bytes that follow a request for another protocol may be read, and as what.
    handover: Cell<Handover>,
    /// Requests that the client gave up, in a window that began then.
    given_up: Cell<(u32, Option<Instant>)>,
    /// Who waits for that to be decided.
    reader: RefCell<Option<Waker>>,
    /// What is said before an answer.
    pub(super) meanwhile: Meanwhile,
    /// Where the connection goes when what follows is another protocol.
    tunnel: RefCell<Option<oneshot::Sender<Socket>>>,
}

/// A connection on which another protocol is spoken now.
pub(crate) type Socket = Box<dyn Stream>;

/// What bytes can be read from and written to.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// What follows the head of a request that asks for another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handover {
    /// No such request is under way.
    No,
    /// Nobody knows yet: nothing is read.
    Undecided,
    /// The other protocol.
    Granted,
    /// The next request.
    Refused,
}

/// What a connection waits for, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The first request.
    First(Instant),
    /// The next request.
    Next(Instant),
    /// The rest of a head.
    Head(Instant),
    /// The client, to take bytes.
    Client(Instant),
    /// An answer, or a body.
    Work,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

impl Wire {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            begun: Cell::new(0),
            ended: Cell::new(0),
            refusal: Cell::new(None),
            broken_body: Cell::new(false),
            since: Cell::new(now),
            head_since: Cell::new(None),
            stalled_since: Cell::new(None),
            head_is_late: Cell::new(false),
            sooner: Cell::new(false),
            handover: Cell::new(Handover::No),
            given_up: Cell::new((0, None)),
            reader: RefCell::new(None),
            meanwhile: Meanwhile::default(),
            tunnel: RefCell::new(None),
        }
    }

    /// Whether the request that is under way asks for another protocol, in a way that can be granted.
    pub(crate) fn asks_for_another_protocol(&self) -> bool {
        self.handover.get() == Handover::Undecided
    }

    /// Where the connection goes when what follows is another protocol.
    pub(crate) fn tunnel_to(&self, tunnel: oneshot::Sender<Socket>) {
        *self.tunnel.borrow_mut() = Some(tunnel);
    }

    /// Where it goes, if it goes anywhere now.
    pub(crate) fn take_tunnel(&self) -> Option<oneshot::Sender<Socket>> {
        self.tunnel.borrow_mut().take()
    }

    /// Decides what follows the head of a request that asked for another protocol.
    pub(crate) fn hand_over(&self, granted: bool) {
        if !self.asks_for_another_protocol() {
            return;
        }
        self.handover.set(if granted { Handover::Granted } else { Handover::Refused });
        if !granted {
            self.tunnel.borrow_mut().take();
        }
        if let Some(reader) = self.reader.borrow_mut().take() {
            reader.wake();
        }
    }

    /// Has `bytes`, which are whole interim answers, written while the request that is under way waits for its answer,
    /// if that can be done at once.
    pub(crate) fn says_meanwhile(&self, bytes: Vec<u8>) {
        self.meanwhile.says(bytes);
    }

    /// The request that is under way has its answer.
    pub(crate) fn answers(&self) {
        self.meanwhile.is_over();
    }

    /// A request has arrived at the service: why it is refused, if it stands in for one that is.
    pub(crate) fn begin(&self) -> Option<Refusal> {
        let number = self.begun.get() + 1;
        self.begun.set(number);
        self.refusal.get().filter(|(at, _)| *at == number).map(|(_, refusal)| refusal)
    }

    /// A request is answered, body and all.
    pub(crate) fn end(&self, now: Instant) {
        self.ended.set(self.ended.get() + 1);
        self.since.set(now);
        if self.head_since.get().is_some() {
            // A pipelined head was there in part: from now on it is what is waited for.
            self.head_since.set(Some(now));
            self.sooner.set(true);
        }
    }

    /// The client has given up a request of many on one connection.
    pub(crate) fn is_given_up(&self, now: Instant) {
        let (count, since) = self.given_up.get();
        let began = since.filter(|since| now.saturating_duration_since(*since) < H2_RESET_WINDOW);
        self.given_up.set(match began {
            Some(began) => (count + 1, Some(began)),
            None => (1, Some(now)),
        });
        self.sooner.set(true);
    }

    /// Whether the client asks and gives up, again and again, so that all the work is ours.
    pub(crate) fn is_abused(&self) -> bool {
        self.given_up.get().0 > H2_RESETS
    }

    pub(crate) fn body_is_broken(&self) -> bool {
        self.broken_body.get()
    }

    pub(crate) fn waiting(&self) -> Waiting {
        if let Some(since) = self.stalled_since.get() {
            Waiting::Client(since)
        } else if self.begun.get() > self.ended.get() {
            Waiting::Work
        } else if let Some(since) = self.head_since.get() {
            Waiting::Head(since)
        } else if self.begun.get() == 0 {
            Waiting::First(self.since.get())
        } else {
            Waiting::Next(self.since.get())
        }
    }

    /// The head that is there in part is given up: the next read answers so.
    pub(crate) fn head_is_late(&self) {
        self.head_is_late.set(true);
    }

    /// Whether a wait has begun that may end sooner than those before; asked once.
    pub(crate) fn take_sooner(&self) -> bool {
        self.sooner.replace(false)
    }
}

/// A socket whose heads are looked at before the parser sees them, where there are heads to look at.
pub(crate) struct WireIo<S> {
    socket: S,
    /// Nothing where another protocol than HTTP/1.1 is spoken: everything passes.
    scanner: Option<Scanner>,
    wire: std::rc::Rc<Wire>,
    clock: Clock,
    /// The beginning of a head that is not whole yet, or what follows one that asks for another protocol.
    held: Vec<u8>,
    /// Bytes that may go on, from `ready_at` on.
    ready: Vec<u8>,
    ready_at: usize,
    closed: Closed,
    linger: Linger,
}

/// Whether something was refused, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    Not,
    InHead,
    InBody,
}

#[derive(Debug)]
struct Linger {
    time: std::time::Duration,
    bytes: usize,
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> WireIo<S> {
    /// HTTP/1.1 on `socket`, of which `first` has been read.
    pub(crate) fn http1(
        socket: S,
        first: Vec<u8>,
        limits: &Limits,
        wire: std::rc::Rc<Wire>,
        clock: Clock,
    ) -> Self {
        let bounds = Bounds {
            header_bytes: limits.header_bytes,
            header_count: limits.header_count,
            uri_bytes: limits.uri_bytes,
        };
        let mut io = Self::passing(socket, Vec::new(), limits, wire, clock);
        io.scanner = Some(Scanner::new(bounds));
        if !first.is_empty() {
            io.held = first;
            io.look_at_held();
        }
        io
    }

    /// Another protocol on `socket`, of which `first` has been read.
    pub(crate) fn passing(
        socket: S,
        first: Vec<u8>,
        limits: &Limits,
        wire: std::rc::Rc<Wire>,
        clock: Clock,
    ) -> Self {
        Self {
            socket,
            scanner: None,
            wire,
            clock,
            held: Vec::new(),
            ready: first,
            ready_at: 0,
            closed: Closed::Not,
            linger: Linger { time: limits.linger_time, bytes: limits.linger_bytes, until: None },
        }
    }

    /// Takes back bytes that have passed and were not used.
    pub(crate) fn unread(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let rest = self.ready.split_off(self.ready_at.min(self.ready.len()));
            (self.ready, self.ready_at) = ([bytes, &rest].concat(), 0);
        }
    }

    /// Hands out bytes that may go on: whether there were any.
    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let rest = &self.ready[self.ready_at..];
        if rest.is_empty() {
            return false;
        }
        let count = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..count]);
        self.ready_at += count;
        if self.ready_at == self.ready.len() {
            self.ready = Vec::new();
            self.ready_at = 0;
        }
        true
    }

    /// Nothing more is read; what was refused is replaced by a request that says so.
    fn refuse(&mut self, refusal: Refusal) {
        let Some(scanner) = &self.scanner else { return };
        let in_head = scanner.in_head();
        self.closed = if in_head { Closed::InHead } else { Closed::InBody };
        self.held = Vec::new();
        self.wire.head_since.set(None);
        if in_head {
            self.wire.refusal.set(Some((scanner.heads() + 1, refusal)));
            self.ready.extend_from_slice(STAND_IN);
        } else {
            self.wire.broken_body.set(true);
        }
    }

    /// Looks at the bytes that were just read into `buf`, from `before` on: whether any may go on.
    fn look(&mut self, buf: &mut ReadBuf<'_>, before: usize) -> bool {
        let Some(scanner) = &mut self.scanner else { return true };
        if !self.held.is_empty() {
            self.held.extend_from_slice(&buf.filled()[before..]);
            buf.set_filled(before);
            self.look_at_held();
            return self.hand_out(buf);
        }
        let read = &buf.filled()[before..];
        let Fed { passed, refused } = scanner.feed(read);
        if scanner.awaits_handover() {
            self.wire.handover.set(Handover::Undecided);
        }
        if passed < read.len() && refused.is_none() {
            self.held.extend_from_slice(&read[passed..]);
            self.hold();
        }
        buf.set_filled(before + passed);
        if let Some(refusal) = refused {
            self.refuse(refusal);
        }
        passed > 0
    }

    /// Looks at what is held: what of it may go on is ready then.
    fn look_at_held(&mut self) {
        let Some(scanner) = &mut self.scanner else { return };
        let Fed { passed, refused } = scanner.feed(&self.held);
        if scanner.awaits_handover() {
            self.wire.handover.set(Handover::Undecided);
        }
        if passed > 0 {
            let rest = self.held.split_off(passed);
            self.ready = std::mem::replace(&mut self.held, rest);
            self.wire.head_since.set(None);
        }
        if let Some(refusal) = refused {
            self.refuse(refusal);
        } else if !self.held.is_empty() && (passed > 0 || self.wire.head_since.get().is_none()) {
            self.hold();
        }
    }

    /// Whether what follows a request for another protocol may be read now.
    fn is_decided(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(scanner) = self.scanner.as_mut().filter(|scanner| scanner.awaits_handover()) else {
            return true;
        };
        match self.wire.handover.get() {
            Handover::No => {}
            Handover::Undecided => {
                *self.wire.reader.borrow_mut() = Some(cx.waker().clone());
                return false;
            }
            Handover::Granted => {
                self.scanner = None;
                self.wire.handover.set(Handover::No);
                self.ready = std::mem::take(&mut self.held);
                self.wire.head_since.set(None);
            }
            Handover::Refused => {
                scanner.hand_over_is_refused();
                self.wire.handover.set(Handover::No);
                self.look_at_held();
            }
        }
        true
    }

    fn hold(&self) {
        self.wire.head_since.set(Some(self.clock.now()));
        self.wire.sooner.set(true);
    }

    /// Notes whether the client took bytes.
    fn note_write<T>(&self, polled: Poll<T>) -> Poll<T> {
        if polled.is_ready() {
            if self.wire.stalled_since.get().is_some() {
                self.wire.stalled_since.set(None);
            }
        } else if self.wire.stalled_since.get().is_none() {
            self.wire.stalled_since.set(Some(self.clock.now()));
            self.wire.sooner.set(true);
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> WireIo<S> {
    /// Waits for the client to say something, without room for it until it does: whether it has not gone.
    pub(crate) fn poll_said(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.ready_at < self.ready.len() {
            return Poll::Ready(true);
        }
        let mut room = [0; FIRST_BYTES];
        let mut buf = ReadBuf::new(&mut room);
        match ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buf)) {
            Ok(()) if !buf.filled().is_empty() => {
                self.held.extend_from_slice(buf.filled());
                self.look_at_held();
                Poll::Ready(true)
            }
            Ok(()) | Err(_) => Poll::Ready(false),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WireIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.hand_out(buf) {
                return Poll::Ready(Ok(()));
            }
            if !this.is_decided(cx) {
                return Poll::Pending;
            }
            if this.hand_out(buf) {
                return Poll::Ready(Ok(()));
            }
            match this.closed {
                Closed::Not => {}
                // The end of the stream would have the parser give up before the stand-in is answered; its answer
                // closes the connection.
                Closed::InHead => return Poll::Pending,
                Closed::InBody => return Poll::Ready(Ok(())),
            }
            if this.wire.head_is_late.get() {
                this.refuse(Refusal::HeaderTimeout);
                continue;
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
            if buf.filled().len() == before || this.look(buf, before) {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> WireIo<S> {
    /// Writes the rest of what was said before an answer and is written in part.
    fn finishes(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.meanwhile.poll_rest(&mut self.socket, cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WireIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.finishes(cx)?.is_pending() {
            return self.note_write(Poll::Pending);
        }
        let polled = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.note_write(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.finishes(cx)?.is_pending() {
            return self.note_write(Poll::Pending);
        }
        let polled = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.note_write(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    /// Is called when all that the parser has to say is written, so that something else can be said here.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // What cannot be written now is tried again when the socket has room.
        let _ = this.wire.meanwhile.poll_write(&mut this.socket, cx)?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Ends what we send; where the client may still be sending, reads on for a while: closing a socket with
    /// unread bytes resets it, and a reset can destroy the answer before the client has read it.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
        if this.closed == Closed::Not && this.scanner.as_ref().is_none_or(Scanner::in_head) {
            return Poll::Ready(Ok(()));
        }
        let time = this.linger.time;
        let until = this.linger.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
        let mut sink = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut sink);
            match Pin::new(&mut this.socket).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    let read = buf.filled().len();
                    if read >= this.linger.bytes {
                        return Poll::Ready(Ok(()));
                    }
                    this.linger.bytes -= read;
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return until.as_mut().poll(cx).map(Ok),
            }
        }
    }
}
