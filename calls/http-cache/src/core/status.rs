//! What `Cache-Status` says of what a cache did with a request (RFC 9211).

use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::freshness::Times;
use mamparo_context::Moment;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Why a request was forwarded (RFC 9211, 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// It is passed by.
    Bypass,
    /// Its method is not answered here.
    Method,
    /// Nothing is kept of its address.
    UriMiss,
    /// What is kept of its address is for other requests.
    VaryMiss,
    /// What is kept is stale.
    Stale,
    /// What is kept is fresh, but the request does not take it.
    Request,
}

impl Forward {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Stale => "stale",
            Self::Request => "request",
        }
    }
}

/// What was done with one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Why it was forwarded, if it was.
    pub forward: Option<Forward>,
    /// What the service answered, where that is not what the client gets.
    pub answered: Option<StatusCode>,
    /// Whether the answer is kept.
    pub stored: bool,
    /// Whether it waited for another.
    pub collapsed: bool,
    /// A word that explains it.
    pub detail: Option<&'static str>,
}

impl Done {
    /// It was forwarded for this reason.
    pub fn forwarded(forward: Forward) -> Self {
        Self { forward: Some(forward), ..Self::default() }
    }

    /// Adds a member to what caches on the way have said already. `times` are those of the answer, if it is kept.
    pub fn write(&self, headers: &mut HeaderMap, times: Option<(&Times, Moment)>) {
        let mut text = String::from("mamparo");
        match self.forward {
            None => text.push_str("; hit"),
            Some(forward) => {
                text.push_str("; fwd=");
                text.push_str(forward.as_str());
            }
        }
        if let Some(status) = self.answered {
            text.push_str("; fwd-status=");
            text.push_str(status.as_str());
        }
        if self.stored {
            text.push_str("; stored");
        }
        if self.collapsed {
            text.push_str("; collapsed");
        }
        if let Some((times, now)) = times {
            text.push_str(&format!("; ttl={}", ttl(times, now)));
        }
        if let Some(detail) = self.detail {
            text.push_str("; detail=");
            text.push_str(detail);
        }
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.append(CACHE_STATUS, value);
        }
    }
}

/// How many seconds it is still fresh; negative once it is not.
fn ttl(times: &Times, now: Moment) -> i64 {
    let whole = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    whole(times.lifetime).saturating_sub(whole(times.age(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_added_behind_those_that_are_there() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_STATUS, HeaderValue::from_static("origin; hit"));
        let times = Times {
            initial_age: Duration::from_secs(3),
            received: Moment::ZERO,
            lifetime: Duration::from_secs(10),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            may_be_stale: true,
            always_asks: false,
        };
        Done::default().write(&mut headers, Some((&times, Moment::ZERO + Duration::from_secs(9))));
        let miss = Done { stored: true, collapsed: true, ..Done::forwarded(Forward::VaryMiss) };
        miss.write(&mut headers, None);
        let failed = Done { answered: Some(StatusCode::BAD_GATEWAY), ..Done::forwarded(Forward::Stale) };
        failed.write(&mut headers, None);
        Done { detail: Some("range"), ..Done::forwarded(Forward::Bypass) }.write(&mut headers, None);
        let all: Vec<_> = headers.get_all(CACHE_STATUS).iter().collect();
        assert_eq!(
            all,
            [
                "origin; hit",
                "mamparo; hit; ttl=-2",
                "mamparo; fwd=vary-miss; stored; collapsed",
                "mamparo; fwd=stale; fwd-status=502",
                "mamparo; fwd=bypass; detail=range",
            ]
        );
    }
}
