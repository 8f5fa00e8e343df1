//! What a refused request is answered with: problem details after RFC 9457, and what each failure of a ledger means
//! to the caller. A client is told little; the log is told everything.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode, Uri};
use mamparo_ledger::{Error, ReadError};
use serde_json::{Map, Value, json};

/// A refusal, as `application/problem+json`.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    more: Map<String, Value>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// A refusal with this status, a code that programs may act on, and a sentence for people.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), more: Map::new(), retry_after: None }
    }

    /// The request is not well formed (400).
    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// The request is well formed, and what it asks for cannot be (422).
    pub fn impossible(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// There is no such thing (404).
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// The service cannot do it now (503).
    pub fn unavailable(code: &'static str, detail: impl Into<String>, retry_after: Duration) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        problem.retry_after = Some(retry_after);
        problem
    }

    /// The same refusal with one more member, such as the sku it is about.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.more.insert(member.to_owned(), value.into());
        self
    }

    /// Its code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its body.
    pub fn body(&self) -> Value {
        let mut body = self.more.clone();
        body.insert("type".into(), format!("urn:mamparo:shop:{}", self.code).into());
        body.insert("title".into(), self.status.canonical_reason().unwrap_or("Error").into());
        body.insert("status".into(), self.status.as_u16().into());
        body.insert("code".into(), self.code.into());
        body.insert("detail".into(), self.detail.clone().into());
        Value::Object(body)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(after) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response
    }
}

/// A failure of the ledger that is nobody's fault but this service's, or passes by itself.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        if let Some(problem) = error.app_as::<Refusal>() {
            return problem.0.clone();
        }
        let second = Duration::from_secs(1);
        match &error {
            Error::Busy { retry_after } => Self::unavailable("busy", "too many requests wait", *retry_after),
            Error::DeadlinePassed => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "deadline-passed",
                "its deadline passed before it began",
            ),
            Error::Indeterminate(_) => Self::unavailable(
                "outcome-unknown",
                "it may have taken effect; ask again under the same idempotency-key",
                second,
            ),
            Error::DiskFull | Error::Unavailable(_) | Error::Aborted(_) | Error::VersionConflict { .. } => {
                tracing::warn!(%error, "request not served");
                Self::unavailable("unavailable", "the service cannot store it now", second)
            }
            _ => {
                tracing::error!(%error, "request failed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "the service failed; it has been logged",
                )
                .with("at", json!("ledger"))
            }
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        Error::from(error).into()
    }
}

/// A problem on its way out of a unit of work, which it rolls back.
#[derive(Debug, thiserror::Error)]
#[error("refused: {}", .0.code)]
struct Refusal(Problem);

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Error::app(Refusal(problem))
    }
}

/// What an unknown path is answered with.
pub async fn unknown_path(uri: Uri) -> Problem {
    Problem::not_found("unknown-path", format!("there is nothing at {}", uri.path()))
}

/// What a path is answered with that does not know the method.
pub async fn unknown_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{method} is not for {}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "unknown-method", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_survives_its_way_through_a_unit_of_work() {
        let problem = Problem::impossible("unknown-sku", "there is no product maté").with("sku", "maté");
        assert_eq!(Problem::from(Error::from(problem.clone())), problem);
        assert_eq!(
            problem.body(),
            json!({"type": "urn:mamparo:shop:unknown-sku", "title": "Unprocessable Entity", "status": 422,
                   "code": "unknown-sku", "detail": "there is no product maté", "sku": "maté"})
        );
    }

    #[test]
    fn failures_that_pass_say_when_to_come_back() {
        for (error, status, code) in [
            (Error::DiskFull, 503, "unavailable"),
            (Error::Busy { retry_after: Duration::from_millis(100) }, 503, "busy"),
            (Error::Indeterminate("x".into()), 503, "outcome-unknown"),
            (Error::DeadlinePassed, 504, "deadline-passed"),
            (Error::Panicked("x".into()), 500, "internal"),
        ] {
            let response = Problem::from(error).into_response();
            assert_eq!(response.status(), status, "{code}");
            assert_eq!(response.headers().contains_key(RETRY_AFTER), status == 503, "{code}");
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        }
    }
}
