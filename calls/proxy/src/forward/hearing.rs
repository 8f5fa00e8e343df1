//! How much of a service that speaks HTTP/1.1 is heard until its answer has begun: all heads of one answer together,
//! those that only promise it (`100 Continue`, `103 Early Hints`) among them, are held to one bound, to the byte. A service
//! that sends such heads without end would else keep the thread busy until nobody looks at the time any more.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is known of a connection by those who do not hold it. All are on one thread; the parser wants its connections to be
/// such as could change it.
#[derive(Clone, Debug)]
pub(crate) struct Hearing(Arc<Known>);

#[derive(Debug)]
struct Known {
    /// How many bytes may still be heard.
    left: AtomicUsize,
    ended: OnceLock<Instant>,
}

/// All that may be heard was heard, and the answer was not among it.
#[derive(Debug, thiserror::Error)]
#[error("the head of the answer, with those before it, is too long")]
pub(super) struct TooLong;

impl TooLong {
    /// Whether this is why an exchange has failed.
    pub(super) fn is_in(error: &hyper::Error) -> bool {
        let io = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
        io.and_then(io::Error::get_ref).is_some_and(|inner| inner.is::<Self>())
    }
}

const UNBOUNDED: usize = usize::MAX;
/// How often whoever waits for the answer is let go first, where all that may be heard was heard: the answer may be there,
/// and what follows is its body.
const COURTESIES: u8 = 3;

impl Hearing {
    /// A connection of which `most` bytes may be heard.
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Known { left: AtomicUsize::new(most), ended: OnceLock::new() }))
    }

    /// A request is sent: up to the end of the head of its answer, `most` bytes may be heard.
    pub(super) fn begin(&self, most: usize) {
        self.0.left.store(most, Ordering::Relaxed);
    }

    /// The answer is there: a body has bounds of its own.
    pub(super) fn end(&self) {
        self.0.left.store(UNBOUNDED, Ordering::Relaxed);
    }

    /// The connection has ended.
    pub(super) fn has_ended(&self, now: Instant) {
        // It ends once.
        let _ = self.0.ended.set(now);
    }

    /// When it ended, once it has.
    pub(crate) fn ended(&self) -> Option<Instant> {
        self.0.ended.get().copied()
    }

    fn left(&self) -> usize {
        self.0.left.load(Ordering::Relaxed)
    }
}

/// A connection to a service.
pub(super) struct Heard<S> {
    socket: S,
    hearing: Hearing,
    courtesies: u8,
}

impl<S> Heard<S> {
    pub(super) fn new(socket: S, hearing: Hearing) -> Self {
        Self { socket, hearing, courtesies: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.hearing.left();
        if left == UNBOUNDED {
            return Pin::new(&mut self.socket).poll_read(cx, buf);
        }
        if left == 0 {
            if self.courtesies < COURTESIES {
                self.courtesies += 1;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, TooLong)));
        }
        self.courtesies = 0;
        let before = buf.filled().len();
        let polled = if buf.remaining() <= left {
            Pin::new(&mut self.socket).poll_read(cx, buf)
        } else {
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(left));
            let polled = Pin::new(&mut self.socket).poll_read(cx, &mut part);
            let read = part.filled().len();
            buf.advance(read);
            polled
        };
        self.hearing.begin(left - (buf.filled().len() - before).min(left));
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// What comes of a read into `room` bytes of `text`.
    fn read(heard: &mut Heard<&[u8]>, room: usize) -> Poll<Result<usize, io::ErrorKind>> {
        let mut bytes = vec![0; room];
        let mut buf = ReadBuf::new(&mut bytes);
        let polled = Pin::new(heard).poll_read(&mut Context::from_waker(Waker::noop()), &mut buf);
        polled.map(|read| read.map(|()| buf.filled().len()).map_err(|error| error.kind()))
    }

    #[test]
    fn nothing_is_heard_beyond_the_bound_until_the_answer_is_there() {
        let hearing = Hearing::new(10);
        let mut heard = Heard::new(&b"0123456789abcdefghij"[..], hearing.clone());
        assert_eq!(read(&mut heard, 4), Poll::Ready(Ok(4)));
        assert_eq!(read(&mut heard, 100), Poll::Ready(Ok(6)), "no more than is left");
        assert_eq!(read(&mut heard, 100), Poll::Pending, "the answer may be there");
        hearing.end();
        assert_eq!(read(&mut heard, 5), Poll::Ready(Ok(5)));
        hearing.begin(1);
        assert_eq!(read(&mut heard, 5), Poll::Ready(Ok(1)));
        for _ in 0..COURTESIES {
            assert_eq!(read(&mut heard, 5), Poll::Pending);
        }
        assert_eq!(read(&mut heard, 5), Poll::Ready(Err(io::ErrorKind::InvalidData)));
    }
}
