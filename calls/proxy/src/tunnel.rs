//! What follows an answer that grants another protocol: bytes, both ways, until one end has said all, or nobody has
//! said anything for too long. Nothing of it is understood here.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::time::{sleep, timeout};

use crate::limits::{TUNNEL_BUFFER, TUNNEL_LOOK};
use crate::respond::Ticket;
use crate::upgrade::Client;

/// Both ends of a tunnel, once both have changed over.
pub(crate) struct Tunnel {
    pub(crate) client: Client,
    pub(crate) service: OnUpgrade,
    /// With it the connection that the tunnel began on is counted until the tunnel ends.
    pub(crate) ticket: Ticket,
}

impl Tunnel {
    /// Carries bytes until there are no more.
    pub(crate) async fn run(self) {
        let Self { client, service, mut ticket } = self;
        let limits = &ticket.peer().worker().limits;
        let (header_time, idle_time) = (limits.header_time, limits.tunnel_idle);
        let both = async { tokio::join!(client.socket(), service) };
        let Ok((Some(client), Ok(service))) = timeout(header_time, both).await else {
            ticket.failed("upgrade-failed");
            return;
        };
        let carried = Carried::default();
        let ended = carry(client, TokioIo::new(service), &carried, idle_time).await;
        match ended {
            Ended::Whole => ticket.completes(),
            Ended::Broken => {}
            Ended::Idle => ticket.failed(IDLE),
        }
        ticket.carried(carried.received.get(), carried.sent.get());
    }
}

/// The code of a tunnel through which nothing passed for too long.
pub(crate) const IDLE: &str = "tunnel-idle";

/// What has passed through a tunnel, in bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    /// From the client.
    pub(crate) received: Rc<Cell<u64>>,
    /// To the client.
    pub(crate) sent: Rc<Cell<u64>>,
}

/// How a tunnel came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Both ends have said all.
    Whole,
    /// One of them broke off.
    Broken,
    /// Nothing passed for too long.
    Idle,
}

/// Carries bytes both ways, until both ends have said all, one breaks off, or nothing passes for `idle_time`.
pub(crate) async fn carry<C, S>(client: C, service: S, carried: &Carried, idle_time: Duration) -> Ended
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Carried { received, sent } = carried;
    let mut client = Counted { socket: client, read: Rc::clone(received) };
    let mut service = Counted { socket: service, read: Rc::clone(sent) };
    let copied = copy_bidirectional_with_sizes(&mut client, &mut service, TUNNEL_BUFFER, TUNNEL_BUFFER);
    let silent = async {
        let mut rested = Duration::ZERO;
        let mut before = 0;
        while rested < idle_time {
            sleep(TUNNEL_LOOK.min(idle_time)).await;
            rested += TUNNEL_LOOK;
            let all = received.get() + sent.get();
            if all != before {
                (before, rested) = (all, Duration::ZERO);
            }
        }
    };
    tokio::select! {
        copied = copied => match copied {
            Ok(_) => Ended::Whole,
            Err(error) => {
                tracing::debug!(%error, "a tunnel broke");
                Ended::Broken
            }
        },
        () = silent => Ended::Idle,
    }
}

/// A socket whose bytes are counted as they are read.
struct Counted<S> {
    socket: S,
    read: Rc<Cell<u64>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        self.read.set(self.read.get() + (buf.filled().len() - before) as u64);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
