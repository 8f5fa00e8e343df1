//! Decides whether an answer is kept, and how long it is fresh (RFC 9111, 3 and 4.2.1 to 4.2.2).

use std::time::Duration;

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};

use super::directives::Directives;
use super::freshness::{Times, date, initial_age};
use super::{targeted, vary};
use crate::When;
use crate::limits::HEURISTIC_MAX;

/// What a cache adds to what an answer says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// How long an answer is fresh that says nothing about it.
    pub default_ttl: Duration,
    /// Of how old such an answer was by its `Last-Modified`, so many hundredths.
    pub heuristic_percent: u32,
    /// For what says nothing about it.
    pub stale_while_revalidate: Duration,
    /// For what says nothing about it.
    pub stale_if_error: Duration,
    /// Whether answers with `Set-Cookie` are kept.
    pub keeps_cookies: bool,
    /// The headers that stand in for `Cache-Control`, the nearest first.
    pub targeted: Vec<HeaderName>,
}

/// Why an answer is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unstorable {
    /// It is partial, not final, or its status says nothing about its being kept.
    Status,
    /// It says so.
    NoStore,
    /// It is for one user.
    Private,
    /// It was asked for with `Authorization`, and does not say that others may have it.
    Authorization,
    /// It sets a cookie.
    SetCookie,
    /// It varies by more than headers, or by more headers than are looked at.
    Vary,
    /// It would be of no use: it is never fresh, and nothing tells later whether it is still the same.
    Worthless,
    /// It is larger than what is kept.
    TooLarge,
    /// It has more or longer tags than can be remembered.
    Tags,
}

/// Whether an answer is kept, and for how long. `authorized` says that the request had an `Authorization`.
///
/// # Errors
/// The first reason for which it is not.
pub fn judge(
    head: (StatusCode, &HeaderMap),
    authorized: bool,
    rules: &Rules,
    began: When,
    received: When,
) -> Result<Times, Unstorable> {
    let (status, headers) = head;
    let targeted = targeted::read(headers, &rules.targeted);
    let said = targeted.unwrap_or_else(|| Directives::read(headers));
    may_store(status, headers, &said, authorized, rules)?;
    let expires = if targeted.is_none() { expires_after(headers, received) } else { None };
    let explicit = said.s_maxage.or(said.max_age).or(expires);
    if explicit.is_none() && !said.public && !is_kept_by_default(status) {
        return Err(Unstorable::Status);
    }
    let lifetime = explicit.unwrap_or_else(|| estimate(status, headers, rules, received));
    let never_stale = said.must_revalidate || said.proxy_revalidate || said.no_cache;
    // `s-maxage` forbids it too, unless the same answer allows it.
    let by_default = |rule| if never_stale || said.s_maxage.is_some() { Duration::ZERO } else { rule };
    let stale = |said: Option<Duration>, rule| match said {
        Some(said) if !never_stale => said,
        _ => by_default(rule),
    };
    let times = Times {
        initial_age: initial_age(headers, began, received),
        received: received.now,
        lifetime,
        stale_while_revalidate: stale(said.stale_while_revalidate, rules.stale_while_revalidate),
        stale_if_error: stale(said.stale_if_error, rules.stale_if_error),
        may_be_stale: !never_stale && said.s_maxage.is_none(),
        always_asks: said.no_cache,
    };
    let lives = lifetime + times.stale_while_revalidate.max(times.stale_if_error);
    let is_useful = !times.always_asks && times.initial_age < lives;
    if !is_useful && !has_validator(status, headers) {
        return Err(Unstorable::Worthless);
    }
    Ok(times)
}

fn may_store(
    status: StatusCode,
    headers: &HeaderMap,
    said: &Directives,
    authorized: bool,
    rules: &Rules,
) -> Result<(), Unstorable> {
    let is_partial = status == StatusCode::PARTIAL_CONTENT || status == StatusCode::NOT_MODIFIED;
    if status.is_informational() || is_partial || headers.contains_key(header::CONTENT_RANGE) {
        return Err(Unstorable::Status);
    }
    if said.must_understand && !is_understood(status) {
        return Err(Unstorable::Status);
    }
    if said.no_store && !said.must_understand {
        return Err(Unstorable::NoStore);
    }
    if said.private {
        return Err(Unstorable::Private);
    }
    let is_for_others = said.public || said.must_revalidate || said.s_maxage.is_some();
    if authorized && !is_for_others {
        return Err(Unstorable::Authorization);
    }
    if !rules.keeps_cookies && headers.contains_key(header::SET_COOKIE) {
        return Err(Unstorable::SetCookie);
    }
    if vary::names(headers).is_none() {
        return Err(Unstorable::Vary);
    }
    Ok(())
}

/// What is kept although nothing says how long it is fresh (RFC 9110, 15.1), without what is partial.
fn is_kept_by_default(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Statuses whose meaning for a cache is known.
fn is_understood(status: StatusCode) -> bool {
    is_kept_by_default(status)
        || matches!(status.as_u16(), 302 | 303 | 307 | 400 | 403 | 451 | 500 | 502 | 503 | 504)
}

/// How long after it came in what `Expires` says; what cannot be read, or is said twice, has passed.
fn expires_after(headers: &HeaderMap, received: When) -> Option<Duration> {
    let mut lines = headers.get_all(header::EXPIRES).iter();
    let first = lines.next()?;
    if lines.any(|other| other != first) {
        return Some(Duration::ZERO);
    }
    let from = date(headers, &header::DATE).unwrap_or(received.wall);
    Some(date(headers, &header::EXPIRES).map_or(Duration::ZERO, |at| at.since(from)))
}

/// How long an answer is fresh that says nothing about it. Errors are not: what is not there now may be in a moment.
fn estimate(status: StatusCode, headers: &HeaderMap, rules: &Rules, received: When) -> Duration {
    if status.is_client_error() || status.is_server_error() {
        return Duration::ZERO;
    }
    if !rules.default_ttl.is_zero() {
        return rules.default_ttl;
    }
    let from = date(headers, &header::DATE).unwrap_or(received.wall);
    let modified = date(headers, &header::LAST_MODIFIED);
    let unchanged = modified.map_or(Duration::ZERO, |modified| from.since(modified));
    (unchanged / 100 * rules.heuristic_percent).min(HEURISTIC_MAX)
}

/// Whether its origin can be asked whether it is still the same.
pub fn has_validator(status: StatusCode, headers: &HeaderMap) -> bool {
    let is_asked_for = matches!(status.as_u16(), 200 | 203);
    is_asked_for && (headers.contains_key(header::ETAG) || date(headers, &header::LAST_MODIFIED).is_some())
}

#[cfg(test)]
mod tests;
