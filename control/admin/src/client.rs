//! Who asks: finds the sockets under a data folder and puts questions to them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::limits::{ANSWER_BYTES_MAX, ANSWER_TIME, SOCKET_NAME};
use crate::server::through_short_path;

/// A socket under a data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The folder it lies in, which has the name of its process.
    pub service: String,
    /// The socket.
    pub socket: PathBuf,
}

/// The sockets under the data folder `data`, by name. Whether somebody answers there shows when asked.
///
/// # Errors
/// The folder cannot be read.
pub fn find(data: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        let socket = entry.path().join(SOCKET_NAME);
        if socket.exists() {
            found.push(Found { service: entry.file_name().to_string_lossy().into_owned(), socket });
        }
    }
    found.sort_by(|a, b| a.service.cmp(&b.service));
    Ok(found)
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nobody listens on the socket.
    #[error("{service} does not run (nobody answers on {socket})")]
    NotRunning {
        /// Whose socket it is.
        service: String,
        /// The socket.
        socket: PathBuf,
    },
    /// The connection broke, or there was no answer in time.
    #[error("{service} did not answer: {why}")]
    Broken {
        /// Whose socket it is.
        service: String,
        /// What went wrong.
        why: String,
    },
    /// The process refused.
    #[error("{service}: {detail}")]
    Refused {
        /// Whose socket it is.
        service: String,
        /// The status of its answer.
        status: StatusCode,
        /// What it says.
        detail: String,
    },
}

/// Puts questions to one process.
#[derive(Clone, Debug)]
pub struct Client {
    found: Found,
}

impl Client {
    /// A client for this socket; it connects when it asks.
    pub fn new(found: Found) -> Self {
        Self { found }
    }

    /// Whom it asks.
    pub fn service(&self) -> &str {
        &self.found.service
    }

    /// Asks for something.
    ///
    /// # Errors
    /// There is no answer, or it is a refusal.
    pub async fn get(&self, target: &str) -> Result<Value, CallError> {
        self.call(Method::GET, target, &Value::Null).await
    }

    /// Wants something to be done.
    ///
    /// # Errors
    /// There is no answer, and it may have been done; or it was refused.
    pub async fn post(&self, target: &str, body: &Value) -> Result<Value, CallError> {
        self.call(Method::POST, target, body).await
    }

    async fn call(&self, method: Method, target: &str, body: &Value) -> Result<Value, CallError> {
        let broken = |why: String| CallError::Broken { service: self.found.service.clone(), why };
        let stream = self.connect().await?;
        let exchange = tokio::time::timeout(ANSWER_TIME, exchange(stream, method, target, body));
        let (status, answer) = exchange
            .await
            .map_err(|_| broken(format!("no answer in {ANSWER_TIME:?}")))?
            .map_err(|error| broken(error.to_string()))?;
        let json: Value = serde_json::from_slice(&answer)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&answer).into_owned()));
        if status.is_success() {
            return Ok(json);
        }
        let detail = json["detail"].as_str().unwrap_or("no reason given").to_owned();
        Err(CallError::Refused { service: self.found.service.clone(), status, detail })
    }

    async fn connect(&self) -> Result<UnixStream, CallError> {
        let socket = &self.found.socket;
        let connected = through_short_path(socket, |path| std::os::unix::net::UnixStream::connect(path))
            .and_then(|stream| {
                stream.set_nonblocking(true)?;
                UnixStream::from_std(stream)
            });
        connected.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                CallError::NotRunning { service: self.found.service.clone(), socket: socket.clone() }
            }
            _ => CallError::Broken { service: self.found.service.clone(), why: error.to_string() },
        })
    }
}

type ExchangeError = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(
    stream: UnixStream,
    method: Method,
    target: &str,
    body: &Value,
) -> Result<(StatusCode, Bytes), ExchangeError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driving = tokio::spawn(connection);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(http::header::HOST, "mamparo")
        .header(http::header::CONNECTION, "close")
        .body(Full::<Bytes>::from(body))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let answer = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await?.to_bytes();
    driving.abort();
    Ok((status, answer))
}
