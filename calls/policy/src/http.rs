//! What HTTP and gRPC answers mean to a policy, and how a refusal is told to a client.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use mamparo_context::{Carrier, Clock, Fault, Retry, Timestamp};

use crate::stack::{CallError, Cause};
use crate::{Classify, Outcome, Policy, Reason, Refusal, ToFault};

/// An answer that carries this with the value `never` is not to be asked for again by anybody: who sends it has tried.
pub const RETRY: HeaderName = HeaderName::from_static("mamparo-retry");
const NEVER: HeaderValue = HeaderValue::from_static("never");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// Headers as a context is read from them, by [`mamparo_context::http::read`]: nothing is written. A header that is
/// there twice is none.
#[derive(Clone, Copy, Debug)]
pub struct Received<'h>(pub &'h HeaderMap);

impl Carrier for Received<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.get_all(name).iter();
        let first = values.next()?;
        if values.next().is_some() { None } else { first.to_str().ok() }
    }

    fn set(&mut self, _: &'static str, _: String) {}
}

/// Understands answers over HTTP, those of gRPC included where their status stands in the head.
#[derive(Clone, Debug, Default)]
pub struct ClassifyHttp {
    clock: Clock,
}

impl ClassifyHttp {
    /// A `Retry-After` may be a date: it is compared with this clock.
    pub const fn new(clock: Clock) -> Self {
        Self { clock }
    }

    /// What an answer with this head means.
    #[inline]
    pub fn head(&self, status: StatusCode, headers: &HeaderMap) -> Outcome {
        if (status.is_success() && !headers.contains_key(GRPC_STATUS)) || status.is_redirection() {
            return Outcome::Success;
        }
        outcome(status, headers, || self.clock.wall())
    }
}

impl<B, E: ToFault> Classify<Result<Response<B>, E>> for ClassifyHttp {
    fn classify(&self, result: &Result<Response<B>, E>) -> Outcome {
        match result {
            Ok(answer) => self.head(answer.status(), answer.headers()),
            Err(error) => Outcome::Failure(error.fault()),
        }
    }
}

/// What an answer means. What may have taken effect is indeterminate; a server that says when to come back has
/// certainly done nothing.
fn outcome(status: StatusCode, headers: &HeaderMap, now: impl FnOnce() -> Timestamp) -> Outcome {
    let asked = asked_to_wait(headers, now);
    let advise = |mut fault: Fault| {
        match asked {
            Asked::Never => fault.retry = Retry::Never,
            Asked::After(after) if fault.is_transient() => fault.retry = Retry::After(after),
            _ => {}
        }
        fault
    };
    if let Some(code) = headers.get(GRPC_STATUS) {
        return grpc(code, advise);
    }
    let fault = match status.as_u16() {
        429 => return Outcome::BackPressure(advise(Fault::upstream())),
        408 | 425 => Fault::upstream(),
        503 if matches!(asked, Asked::After(_)) => Fault::upstream(),
        // Wrong in the same way however often it is asked.
        501 | 505 => Fault { retry: Retry::Never, ..Fault::upstream() },
        500..=599 => Fault::upstream().indeterminate(),
        400..=499 => Fault::caller(),
        _ => return Outcome::Success,
    };
    Outcome::Failure(advise(fault))
}

/// What a status of gRPC means (<https://grpc.io/docs/guides/status-codes/>).
fn grpc(code: &HeaderValue, advise: impl FnOnce(Fault) -> Fault) -> Outcome {
    let fault = match code.as_bytes() {
        b"0" => return Outcome::Success,
        // RESOURCE_EXHAUSTED
        b"8" => return Outcome::BackPressure(advise(Fault::upstream())),
        // UNAVAILABLE
        b"14" => Fault::upstream(),
        // DEADLINE_EXCEEDED, ABORTED
        b"4" | b"10" => Fault::upstream().indeterminate(),
        // UNKNOWN, INTERNAL, DATA_LOSS
        b"2" | b"13" | b"15" => Fault { retry: Retry::Never, ..Fault::upstream().indeterminate() },
        _ => Fault::caller(),
    };
    Outcome::Failure(advise(fault))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    After(Duration),
    Never,
}

/// How long whoever answered wants to be left alone.
fn asked_to_wait(headers: &HeaderMap, now: impl FnOnce() -> Timestamp) -> Asked {
    if headers.get(RETRY).is_some_and(|value| value == NEVER) {
        return Asked::Never;
    }
    if let Some(pushback) = headers.get(GRPC_PUSHBACK) {
        // What is negative, or no number, means: not again (gRPC proposal A6).
        let millis = pushback.to_str().ok().and_then(|text| text.parse::<u64>().ok());
        return millis.map_or(Asked::Never, |millis| Asked::After(Duration::from_millis(millis)));
    }
    let Some(text) = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()) else {
        return Asked::Nothing;
    };
    if let Ok(seconds) = text.parse() {
        return Asked::After(Duration::from_secs(seconds));
    }
    match httpdate::parse_http_date(text) {
        Ok(date) => {
            let since = date.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            Asked::After((Timestamp::default() + since).since(now()))
        }
        Err(_) => Asked::Nothing,
    }
}

/// How a call that has no answer is told to a client: a status, `Retry-After` where somebody knows, and whether it
/// may be asked for again.
pub fn answer<E>(error: &CallError<E>) -> (StatusCode, HeaderMap) {
    answer_to(&error.cause, error.given_up.is_some())
}

/// As [`answer`], of a cause alone, and whether it is to be asked for again by nobody.
pub(crate) fn answer_to<E>(cause: &Cause<E>, never: bool) -> (StatusCode, HeaderMap) {
    let mut headers = HeaderMap::new();
    let status = match cause {
        Cause::Refused(refusal) => {
            if let Some(after) = refusal.retry_after {
                headers.insert(RETRY_AFTER, seconds(after));
            }
            status(refusal)
        }
        Cause::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
        Cause::Injected { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Cause::Failed(_) => StatusCode::BAD_GATEWAY,
    };
    if never {
        headers.insert(RETRY, NEVER);
    }
    (status, headers)
}

/// The status of what a policy has refused: 429 where the client asked for too much, 504 where it was too late, else 503.
pub const fn status(refusal: &Refusal) -> StatusCode {
    match (refusal.policy, refusal.reason) {
        (Policy::RateLimit, Reason::OverQuota | Reason::QueueFull | Reason::WaitTooLong) => {
            StatusCode::TOO_MANY_REQUESTS
        }
        (Policy::Timeout, _) => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Whole seconds, rounded up, and never 0, which means at once.
pub fn seconds(after: Duration) -> HeaderValue {
    let up = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    HeaderValue::from(up.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::GaveUp;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn answers_are_understood() {
        let up = Fault::upstream;
        let after = |secs| Duration::from_secs(secs);
        let now = Timestamp::from_micros(1_767_225_600_000_000);
        for (status, lines, expected) in [
            (200, &[][..], Outcome::Success),
            (304, &[], Outcome::Success),
            (404, &[], Outcome::Failure(Fault::caller())),
            (404, &[("retry-after", "3")], Outcome::Failure(Fault::caller())),
            (429, &[], Outcome::BackPressure(up())),
            (429, &[("retry-after", "3")], Outcome::BackPressure(up().retry_after(after(3)))),
            (500, &[], Outcome::Failure(up().indeterminate())),
            (501, &[], Outcome::Failure(Fault { retry: Retry::Never, ..up() })),
            (503, &[], Outcome::Failure(up().indeterminate())),
            (503, &[("retry-after", "2")], Outcome::Failure(up().retry_after(after(2)))),
            (503, &[("retry-after", "soon")], Outcome::Failure(up().indeterminate())),
            (
                503,
                &[("retry-after", "Thu, 01 Jan 2026 00:01:00 GMT")],
                Outcome::Failure(up().retry_after(after(60))),
            ),
            (
                503,
                &[("retry-after", "Thu, 01 Jan 2015 00:01:00 GMT")],
                Outcome::Failure(up().retry_after(after(0))),
            ),
            (
                503,
                &[("mamparo-retry", "never"), ("retry-after", "2")],
                Outcome::Failure(Fault { retry: Retry::Never, ..up().indeterminate() }),
            ),
            (200, &[("grpc-status", "0")], Outcome::Success),
            (200, &[("grpc-status", "14")], Outcome::Failure(up())),
            (200, &[("grpc-status", "8")], Outcome::BackPressure(up())),
            (200, &[("grpc-status", "5")], Outcome::Failure(Fault::caller())),
            (
                200,
                &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "250")],
                Outcome::Failure(up().retry_after(Duration::from_millis(250))),
            ),
            (
                200,
                &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "-1")],
                Outcome::Failure(Fault { retry: Retry::Never, ..up() }),
            ),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let head = headers(lines);
            let told = if status == StatusCode::OK && lines.is_empty() {
                ClassifyHttp::default().head(status, &head)
            } else {
                outcome(status, &head, || now)
            };
            assert_eq!(told, expected, "{status} {lines:?}");
        }
    }

    #[test]
    fn what_was_refused_is_told_with_its_time() {
        type Error = CallError<std::convert::Infallible>;
        let refused = |policy, reason, millis| -> Error {
            let refusal = Refusal::new(policy, reason).retry_after(Duration::from_millis(millis));
            Cause::Refused(refusal).given_up(None)
        };
        let late: Error =
            Cause::TimedOut { after: Duration::ZERO, whole: true }.given_up(Some(GaveUp::Budget));
        for (error, status, after, never) in [
            (refused(Policy::RateLimit, Reason::OverQuota, 1), 429, Some("1"), false),
            (refused(Policy::RateLimit, Reason::StoreDown, 1), 503, Some("1"), false),
            (refused(Policy::Breaker, Reason::Open, 1_001), 503, Some("2"), false),
            (late, 504, None, true),
        ] {
            let (told, headers) = answer(&error);
            assert_eq!(told.as_u16(), status);
            assert_eq!(headers.get(RETRY_AFTER).map(|value| value.to_str().unwrap()), after);
            assert_eq!(headers.contains_key(RETRY), never);
        }
    }
}
