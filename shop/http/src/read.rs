//! How a request is read: its context from the headers, its key, its body within limits and time, and what is wrong
//! with each of them in words.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use mamparo_context::{Clock, Context, IdempotencyKey};
use mamparo_policy::http::Received;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

use crate::Problem;
use crate::limits::{BODY_BYTES_MAX, BODY_WITHIN, THROWN_AWAY_MAX};

const KEY: &str = "idempotency-key";

/// The context of a request.
///
/// # Errors
/// A header that does not follow its form (400).
pub fn context(headers: &HeaderMap) -> Result<Context, Problem> {
    mamparo_context::http::read(&Clock::system(), &Received(headers))
        .map_err(|error| Problem::malformed("malformed-header", error.to_string()).with("header", error.name))
}

/// A request that changes something: it has a key, and a body in JSON.
#[derive(Debug)]
pub struct Command {
    /// What it travels with.
    pub cx: Context,
    /// Under which it takes effect once.
    pub key: IdempotencyKey,
    target: String,
    body: Bytes,
}

impl Command {
    /// Its body as `T`, and what another request must say to be the same request: method, path and body, however
    /// the body is laid out.
    ///
    /// # Errors
    /// The body is not JSON (400), or JSON of another shape (422).
    pub fn parse<T: DeserializeOwned>(&self) -> Result<(T, String), Problem> {
        let value: Value = serde_json::from_slice(&self.body).map_err(|error| not_json(&error))?;
        let same = format!("{} {value}", self.target);
        let typed = T::deserialize(value).map_err(|error| not_this_shape(&error))?;
        Ok((typed, same))
    }
}

fn not_json(error: &serde_json::Error) -> Problem {
    let detail = match error.classify() {
        Category::Eof if error.column() == 0 => "the body is empty; it must be JSON".to_owned(),
        _ => format!("the body is not JSON: {error}"),
    };
    Problem::malformed("malformed-json", detail)
}

fn not_this_shape(error: &serde_json::Error) -> Problem {
    Problem::impossible("wrong-shape", format!("the body is JSON of another shape: {error}"))
}

/// Reads a body. One that is too large is read on for a while and thrown away: a client that is still sending would
/// otherwise see a broken connection instead of the refusal.
async fn collect(mut body: Body) -> Result<Bytes, Problem> {
    let (mut kept, mut size) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| Problem::malformed("body-broken", format!("the body broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        size += data.len();
        if size <= BODY_BYTES_MAX {
            kept.extend_from_slice(&data);
        } else if size > THROWN_AWAY_MAX {
            break;
        }
    }
    if size > BODY_BYTES_MAX {
        let detail = format!("a body has at most {BODY_BYTES_MAX} bytes");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail));
    }
    Ok(kept.freeze())
}

impl<S: Sync> FromRequest<S> for Command {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let cx = context(&parts.headers)?;
        let key = match (cx.idempotency_key(), parts.headers.contains_key(KEY)) {
            (Some(key), _) => key.clone(),
            (None, true) => {
                let detail = "idempotency-key must be there once, as 1 to 255 visible ASCII characters";
                return Err(Problem::malformed("malformed-header", detail).with("header", KEY));
            }
            (None, false) => {
                let detail = "what changes something needs the header idempotency-key, so that repeating it is harmless";
                return Err(Problem::malformed("idempotency-key-missing", detail).with("header", KEY));
            }
        };
        let body = match tokio::time::timeout(BODY_WITHIN, collect(body)).await {
            Ok(body) => body?,
            Err(_) => {
                let detail = format!("the body did not arrive within {BODY_WITHIN:?}");
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", detail));
            }
        };
        Ok(Self { cx, key, target: format!("{} {}", parts.method, parts.uri.path()), body })
    }
}

/// What the path of a request names, as `T`; what cannot be read is refused as a problem.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        let unreadable = |_| Problem::malformed("malformed-path", "a part of the path is not text in UTF-8");
        path.map(|axum::extract::Path(named)| Self(named)).map_err(unreadable)
    }
}

/// The parameters behind the `?` of a request, as `T`.
///
/// # Errors
/// A parameter that is unknown or of another form (400).
pub fn query<T: DeserializeOwned>(uri: &http::Uri) -> Result<T, Problem> {
    axum::extract::Query::<T>::try_from_uri(uri)
        .map(|query| query.0)
        .map_err(|error| Problem::malformed("malformed-query", error.body_text()))
}

/// The one of `words` that `text` is.
///
/// # Errors
/// It is none of them (400).
pub fn one_of<'w>(what: &'static str, text: &str, words: &[&'w str]) -> Result<&'w str, Problem> {
    words.iter().find(|word| **word == text).copied().ok_or_else(|| {
        Problem::malformed("malformed-query", format!("{what} is one of {}", words.join(", ")))
            .with("parameter", what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(headers: &[(&str, &str)], body: impl Into<Body>) -> Result<Command, Problem> {
        let mut request = Request::builder().method("POST").uri("/orders?x=1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Command::from_request(request.body(body.into()).unwrap(), &()).await
    }

    #[tokio::test]
    async fn a_command_has_a_key_and_a_body_within_its_limit() {
        for (headers, body, code) in [
            (&[][..], vec![], "idempotency-key-missing"),
            (&[(KEY, "a b")], vec![], "malformed-header"),
            (&[(KEY, "a"), (KEY, "b")], vec![], "malformed-header"),
            (&[(KEY, "a"), ("mamparo-timeout-ms", "soon")], vec![], "malformed-header"),
            (&[(KEY, "a")], vec![b' '; BODY_BYTES_MAX + 1], "body-too-large"),
        ] {
            assert_eq!(read(headers, body).await.unwrap_err().code(), code);
        }
    }

    #[tokio::test]
    async fn a_body_is_the_same_however_it_is_laid_out() {
        let a = read(&[(KEY, "k")], r#"{"a":1,"b":[2]}"#).await.unwrap().parse::<Value>().unwrap();
        let b = read(&[(KEY, "k")], "{ \"b\": [2],\n\"a\": 1}").await.unwrap().parse::<Value>().unwrap();
        assert_eq!(a, b);
        assert_eq!(a.1, r#"POST /orders {"a":1,"b":[2]}"#);
    }

    #[tokio::test]
    async fn what_is_no_json_and_what_has_another_shape_are_told_apart() {
        for (body, code) in [
            ("", "malformed-json"),
            ("{", "malformed-json"),
            ("{\"a\":}", "malformed-json"),
            ("[]", "wrong-shape"),
            ("{\"a\":\"x\"}", "wrong-shape"),
            ("{\"a\":-1}", "wrong-shape"),
        ] {
            let command = read(&[(KEY, "k")], body).await.unwrap();
            let problem = command.parse::<std::collections::BTreeMap<String, u32>>().unwrap_err();
            assert_eq!(problem.code(), code, "{body}");
        }
    }
}
