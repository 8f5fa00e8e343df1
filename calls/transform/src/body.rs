//! Why a body that is transformed on its way breaks off.

use std::error::Error;
use std::io;

/// Why a body that is transformed on its way breaks off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError<E: Error + 'static> {
    /// The body itself did.
    #[error(transparent)]
    Inner(E),
    /// What was sent as base64 is none.
    #[error("the text of a gRPC-Web request is not base64")]
    Base64,
    /// The trailers of a gRPC answer are longer than [`GRPC_TRAILERS_BYTES_MAX`](crate::limits::GRPC_TRAILERS_BYTES_MAX).
    #[error("the trailers of a gRPC answer are too long")]
    Trailers,
    /// A coder failed, which happens only where memory ends.
    #[error("an answer cannot be compressed")]
    Coder(#[source] io::Error),
}
