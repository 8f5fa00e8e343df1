//! A connection of which the first bytes were read ahead: they are looked at, taken away or left, and whoever reads
//! from it next sees what is left and then the connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::limits::{AHEAD_BYTES, AHEAD_FIRST_BYTES};

pin_project! {
    /// A connection of which the first bytes were read ahead. When all of them were read it is the connection, for the
    /// price of one comparison, and their memory is given back.
    #[derive(Debug)]
    pub struct PrefixedIo<S> {
        ahead: BytesMut,
        #[pin]
        io: S,
    }
}

impl<S> PrefixedIo<S> {
    /// A connection of which nothing was read. It holds no memory until it is [filled](Self::fill).
    pub fn new(io: S) -> Self {
        Self { ahead: BytesMut::new(), io }
    }

    /// A connection of which `ahead` was read.
    pub fn with(ahead: BytesMut, io: S) -> Self {
        Self { ahead, io }
    }

    /// What was read ahead and is not taken away.
    pub fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Takes the first `count` bytes away, or as many as there are: nobody reads them any more.
    pub fn consume(&mut self, count: usize) {
        self.ahead.advance(count.min(self.ahead.len()));
        give_back(&mut self.ahead);
    }

    /// The connection itself.
    pub fn get_ref(&self) -> &S {
        &self.io
    }

    /// What was read ahead, and the connection.
    pub fn into_parts(self) -> (BytesMut, S) {
        (self.ahead, self.io)
    }
}

impl<S: AsyncRead + Unpin> PrefixedIo<S> {
    /// Reads more bytes ahead, as many as come at once: their number, and zero when no more will come. Nothing is lost
    /// when this is dropped before it is done.
    ///
    /// # Errors
    /// What the connection says, and [`io::ErrorKind::FileTooLarge`] when so much was read ahead that no header and no
    /// hello can be longer.
    pub async fn fill(&mut self) -> io::Result<usize> {
        let room = AHEAD_BYTES.saturating_sub(self.ahead.len());
        if room == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.ahead.reserve(room.min(AHEAD_FIRST_BYTES));
        let mut limited = bytes::BufMut::limit(&mut self.ahead, room);
        let read = self.io.read_buf(&mut limited).await;
        give_back(&mut self.ahead);
        read
    }
}

/// Gives memory back that holds nothing.
fn give_back(ahead: &mut BytesMut) {
    if ahead.is_empty() {
        *ahead = BytesMut::new();
    }
}

impl<S: AsyncRead> AsyncRead for PrefixedIo<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        if this.ahead.is_empty() {
            return this.io.poll_read(cx, into);
        }
        let count = this.ahead.len().min(into.remaining());
        into.put_slice(&this.ahead.split_to(count));
        give_back(this.ahead);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite> AsyncWrite for PrefixedIo<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.project().io.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
