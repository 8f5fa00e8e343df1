//! The collector at the other end: one connection, kept while it is good, and what its answers mean.

use std::fmt::{self, Display};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// How long one request may take.
const WITHIN: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read at most.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The port of OTLP over HTTP is named in the endpoint; without one it is that of HTTP.
const PORT: u16 = 80;

/// Why spans were not taken.
#[derive(Debug)]
pub(super) enum Unsent {
    /// They may be taken later.
    Later(String),
    /// They will never be taken.
    Never(String),
}

/// A collector that takes spans at `/v1/traces` below its endpoint.
pub(super) struct Collector {
    uri: Uri,
    address: String,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Collector {
    /// The collector at `endpoint`, which has no `/` at its end.
    pub(super) fn new(endpoint: &str) -> Result<Self, String> {
        let uri: Uri = format!("{endpoint}/v1/traces").parse().map_err(|error| format!("{error}"))?;
        let host = uri.host().ok_or("it has no host")?;
        let address = format!("{host}:{}", uri.port_u16().unwrap_or(PORT));
        Ok(Self { uri, address, connection: None })
    }

    /// Sends one export request.
    pub(super) async fn post(&mut self, body: Bytes) -> Result<(), Unsent> {
        let exchange = async {
            // A connection that was kept may have been closed by the other side.
            let kept = self.connection.is_some();
            match self.exchange(body.clone()).await {
                Err(Unsent::Later(_)) if kept && self.connection.is_none() => self.exchange(body).await,
                result => result,
            }
        };
        match tokio::time::timeout(WITHIN, exchange).await {
            Ok(result) => result,
            Err(_) => Err(Unsent::Later(format!("no answer within {WITHIN:?}"))),
        }
    }

    async fn exchange(&mut self, body: Bytes) -> Result<(), Unsent> {
        let kept = self.connection.take().filter(|connection| !connection.is_closed());
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::post(path)
            .header(HOST, self.uri.authority().map_or("", |authority| authority.as_str()))
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("mamparo/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|error| Unsent::Never(error.to_string()))?;
        connection.ready().await.map_err(later)?;
        let answer = connection.send_request(request).await.map_err(later)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        match body {
            Ok(body) => {
                self.connection = Some(connection);
                meaning(status, &body.to_bytes())
            }
            // The status has said it; the connection is not used again.
            Err(_) => meaning(status, b""),
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Unsent> {
        let stream = TcpStream::connect(&self.address).await.map_err(later)?;
        let (connection, driver) = handshake(TokioIo::new(stream)).await.map_err(later)?;
        // Ends when the connection is dropped or the other side closes.
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "a connection to the collector broke");
            }
        });
        Ok(connection)
    }
}

fn later(error: impl Display) -> Unsent {
    Unsent::Later(error.to_string())
}

/// What an answer means, by the table of OTLP: these four invite another try, everything else is final.
fn meaning(status: StatusCode, body: &[u8]) -> Result<(), Unsent> {
    match status.as_u16() {
        200..300 => {
            let answer: Value = serde_json::from_slice(body).unwrap_or_default();
            let partly = &answer["partialSuccess"];
            let count = partly["rejectedSpans"].as_str().map(str::to_owned);
            let count = count.or_else(|| partly["rejectedSpans"].as_i64().map(|count| count.to_string()));
            if let Some(count) = count.filter(|count| count != "0") {
                tracing::warn!(count, why = %partly["errorMessage"], "the collector refused some spans");
            }
            Ok(())
        }
        429 | 502 | 503 | 504 => Err(Unsent::Later(format!("it answered {status}"))),
        _ => Err(Unsent::Never(format!("it answered {status}"))),
    }
}
