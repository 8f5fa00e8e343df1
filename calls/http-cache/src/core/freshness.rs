//! Decides how old an answer is and what it is good for at a moment (RFC 9111, 4.2; RFC 5861).

use std::time::Duration;

use http::header::{self, HeaderMap};
use mamparo_context::{Moment, Timestamp};

use super::directives::{Wishes, seconds};
use crate::When;

/// What decides over the use of one answer that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How old it was when it came.
    pub initial_age: Duration,
    /// When it came.
    pub received: Moment,
    /// How old it may be and is fresh.
    pub lifetime: Duration,
    /// How much older it may be and is used while it is fetched again.
    pub stale_while_revalidate: Duration,
    /// How much older it may be and is used in place of an error.
    pub stale_if_error: Duration,
    /// Whether a request may ask for it although it is stale.
    pub may_be_stale: bool,
    /// Its origin is asked before each use.
    pub always_asks: bool,
}

/// What an answer is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is sent.
    Fresh,
    /// It is stale, and sent: the request takes that, or its origin failed a moment ago.
    Stale,
    /// It is stale, and sent while it is fetched again.
    Behind,
    /// Its origin is asked first.
    Ask,
}

impl Times {
    /// How old it is (RFC 9111, 4.2.3).
    pub fn age(&self, now: Moment) -> Duration {
        self.initial_age + now.since(self.received)
    }

    /// How long it has been stale; zero while it is fresh, and at the moment when it ceases to be.
    pub fn stale_for(&self, now: Moment) -> Duration {
        self.age(now).saturating_sub(self.lifetime)
    }

    /// Whether it is younger than its lifetime.
    pub fn is_fresh(&self, now: Moment) -> bool {
        self.age(now) < self.lifetime
    }

    /// Whether several requests may share it: what is stale when it comes is for one alone.
    pub fn is_shared(&self) -> bool {
        !self.always_asks && self.initial_age < self.lifetime
    }

    /// What it is good for, for a request with these wishes. Its origin failed until `quiet_until`.
    pub fn judge(&self, wishes: &Wishes, now: Moment, quiet_until: Moment) -> Use {
        let (age, stale_for) = (self.age(now), self.stale_for(now));
        if self.always_asks || wishes.no_cache {
            return Use::Ask;
        }
        let is_quiet = now < quiet_until && self.replaces_error(now);
        if wishes.max_age.is_some_and(|max| age > max) {
            return if is_quiet { Use::Stale } else { Use::Ask };
        }
        if self.is_fresh(now) {
            let left = self.lifetime.saturating_sub(age);
            return if wishes.min_fresh.is_none_or(|min| left >= min) { Use::Fresh } else { Use::Ask };
        }
        if wishes.min_fresh.is_none() {
            if self.may_be_stale && wishes.max_stale.is_some_and(|max| stale_for <= max) {
                return Use::Stale;
            }
            if is_quiet {
                return Use::Stale;
            }
            if stale_for < self.stale_while_revalidate {
                return Use::Behind;
            }
        }
        Use::Ask
    }

    /// Whether it is sent in place of an error. What is still fresh is not: its origin was asked because it had to be.
    pub fn replaces_error(&self, now: Moment) -> bool {
        !self.always_asks && !self.is_fresh(now) && self.stale_for(now) < self.stale_if_error
    }
}

/// How old an answer was when it came at `received`, asked for at `began` (RFC 9111, 4.2.3).
pub fn initial_age(headers: &HeaderMap, began: When, received: When) -> Duration {
    let apparent = date(headers, &header::DATE).map_or(Duration::ZERO, |date| received.wall.since(date));
    let delay = received.now.since(began.now);
    apparent.max(said_age(headers) + delay)
}

/// What `Age` says; of a list the first counts, and what is no number is not said.
fn said_age(headers: &HeaderMap) -> Duration {
    let line = headers.get(header::AGE).map(|line| line.as_bytes()).unwrap_or_default();
    let first = line.split(|byte| *byte == b',').next().unwrap_or_default();
    seconds(Some(first.trim_ascii()))
}

/// The time that a header says, if it is one.
pub fn date(headers: &HeaderMap, of: &header::HeaderName) -> Option<Timestamp> {
    let text = headers.get(of)?.to_str().ok()?;
    let at = httpdate::parse_http_date(text).ok()?;
    let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::default() + since)
}

/// A time as headers say it.
pub fn http_date(at: Timestamp) -> Option<header::HeaderValue> {
    let since = at.since(Timestamp::default());
    header::HeaderValue::from_str(&httpdate::fmt_http_date(std::time::UNIX_EPOCH + since)).ok()
}

#[cfg(test)]
mod tests;
