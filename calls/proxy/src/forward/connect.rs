//! A connection to an endpoint: opened within its time, whatever has to be said before the first request, and again
//! after a pause where a service is just restarting.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use mamparo_tls::{ConnectError, Protocol};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::Upload;
use super::hearing::{Heard, Hearing};
use crate::accept::LocalExecutor;
use crate::limits::{
    CONNECT_PAUSE, CONNECT_PAUSE_MAX, H2_CONNECTION_WINDOW, H2_SEND_BUFFER, H2_STREAM_WINDOW, after,
};
use crate::pool::{Http1, Said};
use crate::transport::{Speaks, Transport};
use crate::worker::Worker;

/// A connection that was just opened.
pub(crate) enum Opened {
    Http1(Http1),
    /// And what the other end says of itself while it lives.
    Http2(http2::SendRequest<Upload>, Rc<Said>),
}

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("no answer in time")]
    Timeout,
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error(transparent)]
    Tls(#[from] ConnectError),
    #[error("the handshake did not agree on the protocol that the service is to speak")]
    OtherProtocol,
}

/// Opens a connection; all of it, the handshakes included, within `time`.
pub(crate) async fn open(
    worker: &Rc<Worker>,
    endpoint: SocketAddr,
    transport: &Transport,
    time: Duration,
) -> Result<Opened, OpenError> {
    timeout(time, establish(worker, endpoint, transport)).await.map_err(|_| OpenError::Timeout)?
}

async fn establish(
    worker: &Rc<Worker>,
    endpoint: SocketAddr,
    transport: &Transport,
) -> Result<Opened, OpenError> {
    let stream = tcp(endpoint).await?;
    let Some(tls) = &transport.tls else { return handshake(worker, stream, transport.speaks).await };
    let connected = tls.tls().connect(stream, tls.host()).await?;
    if (connected.alpn == Some(Protocol::Http2)) != (transport.speaks == Speaks::Http2) {
        return Err(OpenError::OtherProtocol);
    }
    handshake(worker, connected.stream, transport.speaks).await
}

/// A connection on which nothing is said yet.
pub(crate) async fn tcp(endpoint: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(endpoint).await?;
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(30));
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

async fn handshake<S>(worker: &Rc<Worker>, stream: S, speaks: Speaks) -> Result<Opened, OpenError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match speaks {
        Speaks::Http1 => http1(worker, stream).await.map(Opened::Http1),
        Speaks::Http2 => http2(stream).await.map(|(sender, said)| Opened::Http2(sender, said)),
    }
}

async fn http1<S>(worker: &Rc<Worker>, stream: S) -> Result<Http1, OpenError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut client = http1::Builder::new();
    // The bound of the parser is no exact one: it stands behind ours.
    client.max_buf_size(worker.limits.answer_head_bytes() + 1);
    let hearing = Hearing::new(worker.limits.answer_head_bytes());
    let stream = Heard::new(stream, hearing.clone());
    let (sender, driver) = client.handshake(TokioIo::new(stream)).await?;
    let (told, clock) = (hearing.clone(), worker.clock.clone());
    spawn_local(async move {
        if let Err(error) = driver.with_upgrades().await {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection to a service broke");
        }
        told.has_ended(clock.now());
    });
    Ok(Http1 { sender, hearing })
}

async fn http2<S>(stream: S) -> Result<(http2::SendRequest<Upload>, Rc<Said>), OpenError>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut client = http2::Builder::new(LocalExecutor);
    client
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buf_size(H2_SEND_BUFFER);
    let (connection, driver) = client.handshake(TokioIo::new(stream)).await?;
    let driver = Rc::new(RefCell::new(driver));
    let asked = Rc::downgrade(&driver);
    let takes_websockets = move || {
        let Some(driver) = asked.upgrade() else { return false };
        driver.try_borrow().is_ok_and(|driver| driver.is_extended_connect_protocol_enabled())
    };
    let most = Cell::new(usize::MAX);
    let said = Rc::new(Said { most, takes_websockets: Box::new(takes_websockets) });
    let told = Rc::clone(&said);
    spawn_local(async move {
        let ended = poll_fn(|cx| {
            let mut driver = driver.borrow_mut();
            let polled = Pin::new(&mut *driver).poll(cx);
            told.most.set(driver.current_max_send_streams());
            polled
        });
        if let Err(error) = ended.await {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection to a service broke");
        }
    });
    Ok((connection, said))
}

/// How often connecting has failed, and what to do next.
#[derive(Debug, Default)]
pub(crate) struct Round {
    first: Option<Instant>,
    failed: usize,
    pauses: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Another,
    Pause(Duration),
    GiveUp,
}

impl Round {
    /// Every endpoint once, then a pause, which doubles, within the window that began with the first failure.
    pub(crate) fn next(
        &mut self,
        endpoints: usize,
        now: Instant,
        window: Duration,
        deadline: Instant,
    ) -> Next {
        let first = *self.first.get_or_insert(now);
        self.failed += 1;
        if self.failed < endpoints {
            return Next::Another;
        }
        self.failed = 0;
        let pause = CONNECT_PAUSE.saturating_mul(1 << self.pauses.min(8)).min(CONNECT_PAUSE_MAX);
        self.pauses += 1;
        if now + pause > after(first, window).min(deadline) { Next::GiveUp } else { Next::Pause(pause) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mamparo_context::Clock;

    #[test]
    fn every_endpoint_is_tried_before_a_pause_and_the_window_ends_it() {
        let start = Clock::manual().0.now();
        let ms = Duration::from_millis;
        let (window, deadline) = (ms(1000), start + ms(5000));
        let mut round = Round::default();
        let mut now = start;
        let mut pauses = Vec::new();
        loop {
            assert_eq!(round.next(2, now, window, deadline), Next::Another);
            match round.next(2, now, window, deadline) {
                Next::Pause(pause) => {
                    pauses.push(pause);
                    now += pause;
                }
                next => break assert_eq!(next, Next::GiveUp),
            }
        }
        assert_eq!(pauses, [ms(50), ms(100), ms(200), ms(400)]);
        assert_eq!(Round::default().next(1, start, window, start + ms(40)), Next::GiveUp);
        assert_eq!(Round::default().next(0, start, Duration::ZERO, deadline), Next::GiveUp);
    }
}
