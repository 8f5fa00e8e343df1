//! What is left of a quota, and how it is told to clients: `RateLimit` and `RateLimit-Policy` as
//! draft-ietf-httpapi-ratelimit-headers has them, and `Retry-After`.

use std::time::Duration;

use super::Quota;
use super::core::{self, Price};

/// What is left of a quota at one moment. Nothing in it needs the clock again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Tokens in each window.
    pub limit: u64,
    /// The window: whole seconds, as the header wants it.
    pub window: Duration,
    /// Tokens that may be taken now.
    pub remaining: u64,
    /// Until as many are there as there can be.
    pub reset: Duration,
}

impl Standing {
    pub(crate) fn new(quota: &Quota, tat: u64, price: Price, now: u64) -> Self {
        Self::of(quota, core::available(tat, price, now), core::span(tat.saturating_sub(now)))
    }

    /// The standing of a quota of which `remaining` are left and which is whole again after `reset`.
    pub fn of(quota: &Quota, remaining: u64, reset: Duration) -> Self {
        let window = whole_seconds(quota.per);
        // A period that is no whole number of seconds is told as the next one that is, at the same rate.
        let limit =
            u128::from(quota.rate) * Duration::from_secs(window).as_nanos() / quota.per.as_nanos().max(1);
        Self {
            limit: u64::try_from(limit).unwrap_or(u64::MAX),
            window: Duration::from_secs(window),
            remaining,
            reset,
        }
    }

    /// The value of `RateLimit-Policy`, such as `"default";q=100;w=60`.
    pub fn policy_header(&self, policy: &str) -> String {
        format!("{};q={};w={}", quoted(policy), self.limit, self.window.as_secs())
    }

    /// The value of `RateLimit`, such as `"default";r=50;t=30`.
    pub fn header(&self, policy: &str) -> String {
        format!("{};r={};t={}", quoted(policy), self.remaining, self.reset.as_nanos().div_ceil(1_000_000_000))
    }
}

/// The value of `Retry-After`: whole seconds, rounded up, at least one.
pub fn retry_after_header(after: Duration) -> String {
    whole_seconds(after).to_string()
}

fn whole_seconds(span: Duration) -> u64 {
    span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0)).max(1)
}

/// A string as structured fields have it; what cannot stand in one is left out.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars().filter(|c| matches!(c, ' '..='~')) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_as_the_draft_has_them() {
        let quota = Quota::new(100, Duration::from_secs(60));
        let standing = Standing::of(&quota, 50, Duration::from_millis(29_001));
        assert_eq!(standing.policy_header("default"), r#""default";q=100;w=60"#);
        assert_eq!(standing.header("default"), r#""default";r=50;t=30"#);
        assert_eq!(standing.header("a\"\\\n\u{e9}b"), r#""a\"\\b";r=50;t=30"#);
    }

    #[test]
    fn a_window_is_told_in_whole_seconds_at_the_same_rate() {
        for (rate, millis, header) in [
            (10, 100, r#""p";q=100;w=1"#),
            (10, 1_500, r#""p";q=13;w=2"#),
            (1, 1_000, r#""p";q=1;w=1"#),
            (7, 3_600_000, r#""p";q=7;w=3600"#),
        ] {
            let standing = Standing::of(&Quota::new(rate, Duration::from_millis(millis)), 0, Duration::ZERO);
            assert_eq!(standing.policy_header("p"), header);
        }
    }

    #[test]
    fn to_try_again_at_once_is_never_said() {
        for (millis, seconds) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (60_000, "60")] {
            assert_eq!(retry_after_header(Duration::from_millis(millis)), seconds);
        }
    }
}
