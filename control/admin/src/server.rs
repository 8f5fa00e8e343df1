//! The socket: who may connect, how many at once, and how long each may take.

use std::fs::{self, DirBuilder, File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{convert, io};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::AdminError;
use crate::answer::Answer;
use crate::limits::{ANSWER_TIME, BODY_BYTES_MAX, CONNECTIONS_MAX, HEADER_TIME, SOCKET_PATH_BYTES_MAX};
use crate::target::Target;

/// Whoever answers on a socket. Cheap to clone.
pub trait Answers: Clone + Send + Sync + 'static {
    /// Answers one request.
    ///
    /// # Errors
    /// It was not done: why.
    fn answer(
        &self,
        method: Method,
        target: Target,
        body: Bytes,
    ) -> impl Future<Output = Result<Answer, AdminError>> + Send;
}

/// A face that is being served. Dropped, it stops and takes its socket away, unless another process has put one of its
/// own there.
#[derive(Debug)]
pub struct Server {
    socket: PathBuf,
    /// Device and number of the socket, by which it is told from one that another process puts there.
    own: (u64, u64),
    accepting: JoinHandle<()>,
}

/// Why a face is not served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve the admin face on {path}")]
pub struct ServeError {
    /// The socket.
    pub path: PathBuf,
    /// What the system says.
    #[source]
    pub error: io::Error,
}

/// Serves `face` on the Unix socket `socket`, which only the owner of this process can open. One that a dead
/// process left there is replaced: whoever serves a face holds the lock of its ledger.
///
/// # Errors
/// The socket cannot be made.
pub fn serve<A: Answers>(face: A, socket: &Path) -> Result<Server, ServeError> {
    let failed = |error| ServeError { path: socket.to_owned(), error };
    let listener = bind(socket).map_err(failed)?;
    let own = identity(socket).map_err(failed)?;
    let accepting = tokio::spawn(accept(listener, face));
    Ok(Server { socket: socket.to_owned(), own, accepting })
}

/// Whether somebody answers on the socket `socket`.
pub fn is_served(socket: &Path) -> bool {
    through_short_path(socket, |path| std::os::unix::net::UnixStream::connect(path)).is_ok()
}

fn identity(socket: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(socket).map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Server {
    /// Where it is served.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        if identity(&self.socket).is_ok_and(|there| there == self.own) {
            // A socket that stays behind is replaced by the next one.
            let _ = fs::remove_file(&self.socket);
        }
    }
}

fn bind(socket: &Path) -> io::Result<UnixListener> {
    let folder = socket.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = through_short_path(socket, |path| UnixListener::bind(path))?;
    fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// The address of a Unix socket has about a hundred bytes; a longer path is reached through its open folder.
pub(crate) fn through_short_path<T>(
    socket: &Path,
    with: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else { return with(socket) };
    if socket.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return with(socket);
    }
    let folder = File::open(folder)?;
    with(&Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name))
}

async fn accept<A: Answers>(listener: UnixListener, face: A) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else { continue };
                let face = face.clone();
                tokio::spawn(async move {
                    connection(stream, face).await;
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "an admin connection cannot be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection<A: Answers>(stream: UnixStream, face: A) {
    let service = service_fn(move |request| {
        let face = face.clone();
        async move { Ok::<_, convert::Infallible>(respond(&face, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(error = &error as &dyn std::error::Error, "an admin connection broke");
    }
}

async fn respond<A: Answers>(face: &A, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let work = tokio::time::timeout(ANSWER_TIME, handle(face, request)).await;
    let result =
        work.unwrap_or_else(|_| Err(AdminError::Indeterminate(format!("no answer in {ANSWER_TIME:?}"))));
    let (status, kind, body) = match result {
        Ok(Answer::Json(json)) => (StatusCode::OK, "application/json", json.to_string()),
        Ok(Answer::Text(text)) => (StatusCode::OK, "text/plain; version=0.0.4", text),
        Err(error) => {
            let problem = json!({ "status": error.status().as_u16(), "detail": error.to_string() });
            (error.status(), "application/problem+json", problem.to_string())
        }
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

async fn handle<A: Answers>(face: &A, request: Request<Incoming>) -> Result<Answer, AdminError> {
    let (head, body) = request.into_parts();
    let target = Target::parse(head.uri.path(), head.uri.query())?;
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| AdminError::Invalid(format!("body: {error}")))?.to_bytes();
    face.answer(head.method, target, body).await
}
