//! How a failure is told to a client: problem details (RFC 9457) with a stable `code`, saying little.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use mamparo_context::Fault;
use mamparo_policy::{Outcome, Policy, http as policy_http};
use mamparo_transform::template::TemplateError;

use crate::accept::Refusal;

/// Everything that the proxy answers by itself when it cannot pass on what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0}")]
    Malformed(&'static str),
    #[error("{0}")]
    Framing(&'static str),
    #[error("a request names exactly one host, the same in its target and in its header")]
    Host,
    #[error("the path cannot be read in one way only")]
    Path,
    #[error("the request target is too long")]
    UriTooLong,
    #[error("the header is too large")]
    HeaderTooLarge,
    #[error("the header did not end in time")]
    HeaderTimeout,
    #[error("this version of HTTP is not spoken here")]
    Version,
    #[error("a body may be sent chunked, in no other transfer coding")]
    Coding,
    #[error("the body is larger than this route takes")]
    BodyTooLarge,
    #[error("the body stood still for too long")]
    BodyTimeout,
    #[error("header {name} is malformed: {expected}")]
    Header { name: &'static str, expected: &'static str },
    #[error("the body ended before its end")]
    BodyBroken,
    #[error("this connection was opened for another host")]
    Misdirected,
    #[error("nothing is served under this address")]
    NoRoute,
    #[error("the method is not served under this address")]
    Method,
    #[error("this method is not served by the gateway")]
    MethodRefused,
    #[error("an identity is required")]
    IdentityRequired,
    #[error("the service cannot be reached at the moment")]
    Unreachable,
    #[error("no instance of the service is running at the moment")]
    NoEndpoint,
    #[error("the service broke off before it answered")]
    BrokenOff,
    #[error("the answer of the service is not HTTP")]
    BadAnswer,
    #[error("{0}")]
    Template(TemplateError),
    #[error("the answer of the service cannot be put together anew")]
    AnswerTemplate,
    #[error("whoever decides about this request cannot be asked at the moment")]
    Hook,
    #[error("there is no memory for the answer at the moment")]
    Memory,
    #[error("the service did not answer in time")]
    UpstreamTimeout,
    #[error("the deadline of the request has passed")]
    Deadline,
    #[error("nothing is kept that answers the request, and it asks for nothing else")]
    NotCached,
    #[error("too many connections")]
    TooManyConnections,
    #[error("a fault was injected")]
    Injected {
        /// Whether the service has answered all the same.
        sent: bool,
    },
    #[error("not at the moment: {}", refused(*.0))]
    Refused(mamparo_policy::Refusal),
}

/// Little, as to every client.
const fn refused(refusal: mamparo_policy::Refusal) -> &'static str {
    match refusal.policy {
        Policy::RateLimit => "too many requests",
        Policy::Breaker => "the service is not asked for a while",
        _ => "there is too much to do",
    }
}

impl Problem {
    /// Its stable name.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed-request",
            Self::Framing(_) => "ambiguous-framing",
            Self::Host => "ambiguous-host",
            Self::Path => "ambiguous-path",
            Self::UriTooLong => "target-too-long",
            Self::HeaderTooLarge => "header-too-large",
            Self::HeaderTimeout => "header-timeout",
            Self::Version => "version-not-supported",
            Self::Coding => "coding-not-supported",
            Self::BodyTooLarge => "body-too-large",
            Self::BodyTimeout => "body-timeout",
            Self::Header { .. } => "malformed-header",
            Self::BodyBroken => "body-broken",
            Self::Misdirected => "misdirected",
            Self::NoRoute => "no-route",
            Self::Method => "method-not-allowed",
            Self::MethodRefused => "method-refused",
            Self::IdentityRequired => "identity-required",
            Self::Unreachable => "service-unreachable",
            Self::NoEndpoint => "service-absent",
            Self::BrokenOff => "service-broke-off",
            Self::BadAnswer => "service-answer-malformed",
            Self::Template(_) => "body-not-transformed",
            Self::AnswerTemplate => "service-answer-not-transformed",
            Self::Hook => "hook-failed",
            Self::Memory => "no-memory",
            Self::UpstreamTimeout => "service-timeout",
            Self::Deadline => "deadline-passed",
            Self::NotCached => "not-cached",
            Self::TooManyConnections => "too-many-connections",
            Self::Injected { .. } => "fault-injected",
            Self::Refused(refusal) => match refusal.policy {
                Policy::RateLimit => "rate-limited",
                Policy::Breaker => "breaker-open",
                _ => "overloaded",
            },
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Framing(_) | Self::Host | Self::Path => StatusCode::BAD_REQUEST,
            Self::Header { .. } | Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeaderTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::HeaderTimeout | Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Coding | Self::MethodRefused => StatusCode::NOT_IMPLEMENTED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::IdentityRequired => StatusCode::UNAUTHORIZED,
            Self::Unreachable
            | Self::NoEndpoint
            | Self::BrokenOff
            | Self::TooManyConnections
            | Self::Hook
            | Self::Memory
            | Self::Injected { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Template(error) => error.request_status(),
            Self::Refused(refusal) => policy_http::status(&refusal),
            Self::BadAnswer | Self::AnswerTemplate => StatusCode::BAD_GATEWAY,
            Self::UpstreamTimeout | Self::Deadline | Self::NotCached => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// When to come again, where that can help.
    const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Unreachable
            | Self::NoEndpoint
            | Self::BrokenOff
            | Self::TooManyConnections
            | Self::Hook
            | Self::Memory => Some(Duration::from_secs(1)),
            Self::Refused(refusal) => match refusal.retry_after {
                Some(after) => Some(after),
                None => Some(Duration::from_secs(1)),
            },
            _ => None,
        }
    }

    /// What it says about the service; nothing where it is about the client.
    pub(crate) fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Unreachable | Self::NoEndpoint | Self::Injected { sent: false } => {
                Some(Outcome::Failure(Fault::upstream()))
            }
            Self::BrokenOff
            | Self::BadAnswer
            | Self::AnswerTemplate
            | Self::UpstreamTimeout
            | Self::Deadline
            | Self::Injected { sent: true } => Some(Outcome::Failure(Fault::upstream().indeterminate())),
            _ => None,
        }
    }

    /// Whether the connection cannot be used any further.
    const fn closes(self) -> bool {
        matches!(
            self,
            Self::Malformed(_)
                | Self::Framing(_)
                | Self::Host
                | Self::UriTooLong
                | Self::HeaderTooLarge
                | Self::HeaderTimeout
                | Self::Version
                | Self::Coding
                | Self::BodyTooLarge
                | Self::BodyTimeout
                | Self::BodyBroken
                | Self::MethodRefused
                | Self::TooManyConnections
        )
    }

    /// The body of the answer; `request` names the request in the logs.
    pub(crate) fn json(self, request: &str) -> String {
        let status = self.status();
        let title = status.canonical_reason().unwrap_or("Error");
        let mut text = String::with_capacity(192);
        // Nothing in it needs an escape: titles, codes and details are ours, `request` is hexadecimal.
        let _ = write!(
            text,
            r#"{{"type":"about:blank","title":"{title}","status":{},"detail":"{self}","code":"{}""#,
            status.as_u16(),
            self.code()
        );
        if !request.is_empty() {
            let _ = write!(text, r#","trace":"{request}""#);
        }
        text.push_str("}\n");
        text
    }

    /// The answer as bytes of a whole connection, where no parser is at hand.
    pub(crate) fn raw(self) -> String {
        let body = self.json("");
        let retry = self.retry_after().map(|after| format!("retry-after: {}\r\n", after.as_secs()));
        let retry = retry.unwrap_or_default();
        format!(
            "HTTP/1.1 {}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
             {retry}connection: close\r\n\r\n{body}",
            self.status(),
            body.len()
        )
    }

    /// The answer, with `allow` where the method was wrong.
    pub(crate) fn response(self, request: &str, allow: Option<HeaderValue>) -> Response<Bytes> {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, policy_http::seconds(after));
        }
        if let Some(allow) = allow {
            headers.insert(header::ALLOW, allow);
        }
        if self == Self::IdentityRequired {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.closes() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let mut response = Response::new(Bytes::from(self.json(request)));
        *response.status_mut() = self.status();
        *response.headers_mut() = headers;
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed(why) => Self::Malformed(why),
            Refusal::Framing(why) => Self::Framing(why),
            Refusal::Host => Self::Host,
            Refusal::UriTooLong => Self::UriTooLong,
            Refusal::HeaderTooLarge => Self::HeaderTooLarge,
            Refusal::Version => Self::Version,
            Refusal::Coding => Self::Coding,
            Refusal::HeaderTimeout => Self::HeaderTimeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_with_its_code() {
        let response = Problem::Unreachable.response("ab12", None);
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(
            response.body(),
            "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\
             \"detail\":\"the service cannot be reached at the moment\",\"code\":\"service-unreachable\",\
             \"trace\":\"ab12\"}\n"
        );
    }

    #[test]
    fn no_detail_needs_an_escape_in_json() {
        for problem in
            [Problem::Malformed("x"), Problem::Path, Problem::Host, Problem::Version, Problem::Coding]
        {
            assert!(!problem.to_string().contains(['"', '\\', '\n']));
        }
    }
}
