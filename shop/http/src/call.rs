//! Calls of another service under a base URL: connections kept and used again, one deadline for each call, and an
//! error that tells a call that never left from one whose outcome nobody knows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use mamparo_context::{Clock, Context, Fault};
use mamparo_policy::ToFault;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use crate::limits::{ANSWER_BYTES_MAX, CONNECT_WITHIN, IDLE_MAX};
use crate::trace::Traced;

/// Calls the service at one base URL. Cheap to clone; clones share the connections.
#[derive(Clone, Debug)]
pub struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    authority: Authority,
    host: String,
    prefix: String,
    clock: Clock,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

/// A base URL that cannot be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no base URL such as http://127.0.0.1:8080")]
pub struct InvalidBase(pub String);

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nothing was sent: it had no effect.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It was sent, and nobody knows what became of it. Asking again under the same key is safe.
    #[error("sent, but not answered: {0}")]
    Indeterminate(String),
}

impl ToFault for CallError {
    fn fault(&self) -> Fault {
        match self {
            Self::NotSent(_) => Fault::upstream(),
            Self::Indeterminate(_) => Fault::upstream().indeterminate(),
        }
    }
}

/// What a call was answered with.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// Its body as JSON.
    ///
    /// # Errors
    /// The body is not JSON, or not of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.body)
    }
}

impl Client {
    /// Calls what is at `base`, such as `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// `base` is no such URL.
    pub fn new(base: &str) -> Result<Self, InvalidBase> {
        let wrong = || InvalidBase(base.to_owned());
        let uri: Uri = base.parse().map_err(|_| wrong())?;
        if uri.scheme_str() != Some("http") || uri.query().is_some() {
            return Err(wrong());
        }
        let authority = uri.authority().cloned().ok_or_else(wrong)?;
        let (host, prefix) = (authority.to_string(), uri.path().trim_end_matches('/').to_owned());
        let (clock, idle) = (Clock::system(), Mutex::default());
        Ok(Self(Arc::new(Shared { authority, host, prefix, clock, idle })))
    }

    /// Calls the service `name` through what is at `base`: a gateway that knows it by the host `name`.
    ///
    /// # Errors
    /// `base` is no base URL.
    pub fn by_name(base: &str, name: &str) -> Result<Self, InvalidBase> {
        let Self(shared) = Self::new(base)?;
        let Shared { authority, prefix, clock, .. } = &*shared;
        let (authority, prefix, clock) = (authority.clone(), prefix.clone(), clock.clone());
        Ok(Self(Arc::new(Shared { authority, host: name.to_owned(), prefix, clock, idle: Mutex::default() })))
    }

    /// Makes one call and waits for the whole answer, `timeout` at most and never beyond the deadline of `cx`,
    /// which travels along. A body is JSON.
    ///
    /// Dropped at any await, the call may have taken effect.
    ///
    /// # Errors
    /// [`CallError`]. An answer of any status is no error.
    pub async fn call(
        &self,
        cx: &Context,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        timeout: Duration,
    ) -> Result<Answer, CallError> {
        let mut cx = cx.clone().with_timeout(&self.0.clock, timeout);
        let span = Traced::call(cx.trace(), &self.0.clock).map(|mut span| {
            span.knows("http.request.method", method.as_str().to_owned());
            span.knows("server.address", self.0.host.clone());
            span.knows("url.path", format!("{}{path}", self.0.prefix));
            span
        });
        if let Some(span) = &span {
            cx = cx.with_trace(span.trace().clone());
        }
        let result = self.within(&cx, method, path, body, timeout).await;
        if let Some(span) = span {
            span.ends(result.as_ref().map(|answer| answer.status).map_err(CallError::to_string));
        }
        result
    }

    async fn within(
        &self,
        cx: &Context,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        timeout: Duration,
    ) -> Result<Answer, CallError> {
        let left = cx.remaining(&self.0.clock).unwrap_or(timeout);
        let mut sent = false;
        let exchange = self.exchange(cx, method, path, body, &mut sent);
        match tokio::time::timeout(left, exchange).await {
            Ok(result) => result,
            Err(_) if sent => Err(CallError::Indeterminate(format!("no answer within {left:?}"))),
            Err(_) => Err(CallError::NotSent(format!("no connection within {left:?}"))),
        }
    }

    async fn exchange(
        &self,
        cx: &Context,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        sent: &mut bool,
    ) -> Result<Answer, CallError> {
        let mut request = self.request(cx, method, path, body)?;
        // A kept connection may have been closed by the other side: what did not leave is sent on another one.
        loop {
            let (mut sender, kept) = match self.take_idle() {
                Some(sender) => (sender, true),
                None => (self.connect().await?, false),
            };
            if kept && sender.ready().await.is_err() {
                continue;
            }
            *sent = true;
            match sender.try_send_request(request).await {
                Ok(response) => return self.read(sender, response).await,
                Err(mut error) => match error.take_message() {
                    Some(unsent) if kept => {
                        *sent = false;
                        request = unsent;
                    }
                    Some(_) => return Err(CallError::NotSent(chain(error.error()))),
                    None => return Err(CallError::Indeterminate(chain(error.error()))),
                },
            }
        }
    }

    async fn read(
        &self,
        sender: SendRequest<Full<Bytes>>,
        response: hyper::Response<hyper::body::Incoming>,
    ) -> Result<Answer, CallError> {
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| CallError::Indeterminate(format!("the answer broke off: {error}")))?
            .to_bytes();
        self.keep(sender);
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    fn request(
        &self,
        cx: &Context,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Request<Full<Bytes>>, CallError> {
        let uri = format!("{}{path}", self.0.prefix);
        let mut request = Request::builder().method(method).uri(uri).header("host", &self.0.host);
        let mut headers: Vec<(String, String)> = Vec::new();
        mamparo_context::http::write(cx, &self.0.clock, &mut headers);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| CallError::NotSent(error.to_string()))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, CallError> {
        let (host, port) = (self.0.authority.host(), self.0.authority.port_u16().unwrap_or(80));
        let not_sent = |why: String| CallError::NotSent(format!("{}: {why}", self.0.authority));
        let stream = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect((host, port)))
            .await
            .map_err(|_| not_sent(format!("no connection within {CONNECT_WITHIN:?}")))?
            .map_err(|error| not_sent(error.to_string()))?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| not_sent(error.to_string()))?;
        // Ends when the sender is dropped or the other side closes.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection of a call ended");
            }
        });
        Ok(sender)
    }

    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(sender) = idle.pop() {
            if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    fn keep(&self, sender: SendRequest<Full<Bytes>>) {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !sender.is_closed() {
            idle.push(sender);
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers each request of a connection with the number of the connection; closes after `per_connection`.
    async fn numbers(listener: TcpListener, per_connection: usize) {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            for _ in 0..per_connection {
                let mut buffer = [0; 4096];
                if stream.read(&mut buffer).await.unwrap_or(0) == 0 {
                    break;
                }
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    }

    async fn get(client: &Client) -> Result<Bytes, CallError> {
        let cx = Context::root();
        client.call(&cx, Method::GET, "/", None, Duration::from_secs(5)).await.map(|answer| answer.body)
    }

    #[tokio::test]
    async fn a_connection_is_used_again_and_replaced_when_it_was_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(numbers(listener, 2));
        for expected in ["0", "0", "1", "1", "2"] {
            assert_eq!(get(&client).await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn what_never_left_is_told_from_what_was_not_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            drop((stream, listener));
        });
        assert!(matches!(get(&client).await, Err(CallError::Indeterminate(_))));
        server.await.unwrap();
        assert!(matches!(get(&client).await, Err(CallError::NotSent(_))));
    }

    #[test]
    fn a_base_is_an_absolute_url() {
        for base in ["", "127.0.0.1:80", "https://x", "http://x?y=1", "/orders"] {
            assert_eq!(Client::new(base).unwrap_err(), InvalidBase(base.into()));
        }
    }
}
