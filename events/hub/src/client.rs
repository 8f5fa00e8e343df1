//! A hub in another process, behind the same contracts. Streams are opened when they are first needed, live on,
//! and are opened again after they broke off.

mod exchange;
mod log;
mod member;
mod queue;

use std::sync::Arc;

use mamparo_context::{Ids, Random};
use tonic::transport::{Channel, Endpoint};

use self::exchange::Exchange;
use self::log::Publishing;
use self::queue::Receiving;
use crate::limits::{
    CONNECT_WAIT, CONNECTION_WINDOW_BYTES, FRAME_BYTES_MAX, KEEPALIVE_EVERY, KEEPALIVE_WAIT,
    STREAM_WINDOW_BYTES,
};
use crate::wire::proto::hub_client::HubClient;

/// A hub in another process, as a `Queue` and a `Log`. Cheap to clone; all clones share one connection.
#[derive(Clone)]
pub struct Client {
    calls: HubClient<Channel>,
    publishing: Arc<Exchange<Publishing>>,
    receiving: Arc<Exchange<Receiving>>,
    ids: Ids,
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{uri}` is not where a hub could be: {message}; it is like http://127.0.0.1:7070 or unix:/run/hub.sock"
)]
pub struct ConnectError {
    /// What was given.
    pub uri: String,
    /// Why it cannot be.
    pub message: String,
}

impl Client {
    /// A client of the hub at `uri`, such as `http://127.0.0.1:7070` or `unix:/run/hub.sock`. The hub need not be
    /// there yet: the connection is made when it is first needed, and made again with growing rests when it is
    /// lost. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `uri` is malformed.
    pub fn connect(uri: &str) -> Result<Self, ConnectError> {
        let endpoint = Endpoint::from_shared(uri.to_owned()).map_err(|error| {
            let message = std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string);
            ConnectError { uri: uri.to_owned(), message }
        })?;
        let channel = endpoint
            .connect_timeout(CONNECT_WAIT)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_keep_alive_interval(KEEPALIVE_EVERY)
            .keep_alive_timeout(KEEPALIVE_WAIT)
            .tcp_nodelay(true)
            .connect_lazy();
        let calls = HubClient::new(channel)
            .max_decoding_message_size(FRAME_BYTES_MAX)
            .max_encoding_message_size(FRAME_BYTES_MAX);
        let publishing = Arc::new(Exchange::new(Publishing(calls.clone())));
        let receiving = Arc::new(Exchange::new(Receiving(calls.clone())));
        Ok(Self { calls, publishing, receiving, ids: Ids::new(Default::default(), Random::system()) })
    }
}
