//! A hub served to other processes. Decides what a connection may have under way, and how it ends; what the
//! messages mean is decided in the hub.

mod admin;
mod consume;
mod publish;
mod receive;

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
#[cfg(unix)]
use tokio_stream::wrappers::UnixListenerStream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};

use crate::hub::Hub;
use crate::limits::{
    CONNECTION_WINDOW_BYTES, DRAIN_MAX, FRAME_BYTES_MAX, KEEPALIVE_EVERY, KEEPALIVE_WAIT,
    STREAM_WINDOW_BYTES, STREAMS_PER_CONNECTION_MAX,
};
use crate::wire::proto;
use crate::wire::proto::hub_server::HubServer;

/// Where a hub is served.
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// A TCP port. Whoever reaches it may use the hub.
    Tcp(TcpListener),
    /// A socket in the file system. Whoever may open the file may use the hub.
    #[cfg(unix)]
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// Why a hub can no longer be served.
#[derive(Debug, thiserror::Error)]
#[error("the hub can no longer be served: {0}")]
pub struct ServeError(#[from] tonic::transport::Error);

/// Serves `hub` until `shutdown` is done; then answers what it has read, gives back the leases of its clients,
/// tells them, and ends within [`DRAIN_MAX`].
///
/// # Errors
/// The listener fails.
pub async fn serve(
    hub: Hub,
    listener: impl Into<Listener>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    match listener.into() {
        Listener::Tcp(listener) => {
            let accepted = TcpListenerStream::new(listener).map(|accepted| {
                accepted.inspect(|stream| {
                    // Answers are small and awaited; a socket that refuses is only slower.
                    let _ = stream.set_nodelay(true);
                })
            });
            serve_accepted(hub, accepted, shutdown).await
        }
        #[cfg(unix)]
        Listener::Unix(listener) => serve_accepted(hub, UnixListenerStream::new(listener), shutdown).await,
    }
}

async fn serve_accepted<S, IO>(
    hub: Hub,
    accepted: S,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError>
where
    S: Stream<Item = std::io::Result<IO>> + Send,
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Connected + Unpin + Send + 'static,
{
    let (drain, draining) = watch::channel(false);
    let mut drained = drain.subscribe();
    let service = HubServer::new(Service { hub, draining })
        .max_decoding_message_size(FRAME_BYTES_MAX)
        .max_encoding_message_size(FRAME_BYTES_MAX);
    let serving = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_WAIT))
        .serve_with_incoming_shutdown(service, accepted, async {
            shutdown.await;
            drain.send_replace(true);
        });
    let overdue = async {
        stopped(&mut drained).await;
        tokio::time::sleep(DRAIN_MAX).await;
    };
    tokio::select! {
        served = serving => Ok(served?),
        () = overdue => Ok(()),
    }
}

struct Service {
    hub: Hub,
    draining: watch::Receiver<bool>,
}

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Answers that may wait until the connection takes them.
const REPLIES_WAITING: usize = 4;

/// The two ends of a stream of answers.
fn replies<T: Send + 'static>() -> (mpsc::Sender<Result<T, Status>>, Response<Replies<T>>) {
    let (sender, receiver) = mpsc::channel(REPLIES_WAITING);
    (sender, Response::new(Box::pin(ReceiverStream::new(receiver))))
}

/// Waits until the server stops.
async fn stopped(draining: &mut watch::Receiver<bool>) {
    // An error means that the server is gone already.
    let _ = draining.wait_for(|draining| *draining).await;
}

#[tonic::async_trait]
impl proto::hub_server::Hub for Service {
    type PublishStream = Replies<proto::PublishReply>;
    type ReceiveStream = Replies<proto::ReceiveReply>;
    type ConsumeStream = Replies<proto::ConsumeReply>;

    async fn publish(
        &self,
        request: Request<Streaming<proto::PublishRequest>>,
    ) -> Result<Response<Self::PublishStream>, Status> {
        let (sender, response) = replies();
        let frames = request.into_inner();
        tokio::spawn(publish::stream(self.hub.clone(), frames, sender, self.draining.clone()));
        Ok(response)
    }

    async fn receive(
        &self,
        request: Request<Streaming<proto::ReceiveRequest>>,
    ) -> Result<Response<Self::ReceiveStream>, Status> {
        let (sender, response) = replies();
        let frames = request.into_inner();
        tokio::spawn(receive::stream(self.hub.clone(), frames, sender, self.draining.clone()));
        Ok(response)
    }

    async fn consume(
        &self,
        request: Request<Streaming<proto::ConsumeRequest>>,
    ) -> Result<Response<Self::ConsumeStream>, Status> {
        let (sender, response) = replies();
        let frames = request.into_inner();
        tokio::spawn(consume::stream(self.hub.clone(), frames, sender, self.draining.clone()));
        Ok(response)
    }

    async fn read(&self, request: Request<proto::ReadRequest>) -> Result<Response<proto::ReadReply>, Status> {
        admin::read(&self.hub, request.into_inner()).await
    }

    async fn seek(&self, request: Request<proto::SeekRequest>) -> Result<Response<proto::SeekReply>, Status> {
        admin::seek(&self.hub, request.into_inner()).await
    }

    async fn list_logs(
        &self,
        _: Request<proto::ListLogsRequest>,
    ) -> Result<Response<proto::ListLogsReply>, Status> {
        admin::list_logs(&self.hub).await
    }

    async fn list_queues(
        &self,
        _: Request<proto::ListQueuesRequest>,
    ) -> Result<Response<proto::ListQueuesReply>, Status> {
        admin::list_queues(&self.hub).await
    }

    async fn list_dead_letters(
        &self,
        request: Request<proto::ListDeadLettersRequest>,
    ) -> Result<Response<proto::ListDeadLettersReply>, Status> {
        admin::list_dead_letters(&self.hub, request.into_inner()).await
    }

    async fn redrive(
        &self,
        request: Request<proto::RedriveRequest>,
    ) -> Result<Response<proto::RedriveReply>, Status> {
        admin::redrive(&self.hub, request.into_inner()).await
    }

    async fn discard(
        &self,
        request: Request<proto::DiscardRequest>,
    ) -> Result<Response<proto::DiscardReply>, Status> {
        admin::discard(&self.hub, request.into_inner()).await
    }
}
