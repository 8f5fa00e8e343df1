//! How long a connection may rest before its endpoint closes it, as the endpoint itself teaches: a request that must
//! not be sent twice goes out on none that is just about to be closed.

use std::time::Duration;

/// What the closings of one endpoint have taught.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rest {
    /// After which rest the last one was closed.
    last: Option<Duration>,
    /// After which rest they are closed: two in a row agreed on it.
    closes_after: Option<Duration>,
}

impl Rest {
    /// The endpoint has closed a connection that had rested for `rest`. One closing may mean anything, and those of an
    /// endpoint that ends have nothing in common; two that agree are its idle time.
    pub(super) fn was_closed(&mut self, rest: Duration) {
        if let Some(last) = self.last.filter(|last| is_about(*last, rest)) {
            self.closes_after = Some(last.min(rest));
        }
        self.last = Some(rest);
    }

    /// A connection is open that has rested for `rest`: what was learned is wrong where that should not be.
    pub(super) fn is_open(&mut self, rest: Duration) {
        if self.closes_after.is_some_and(|after| rest > after + after / 4) {
            *self = Self::default();
        }
    }

    /// Whether one that has rested for `rest` is not about to be closed, as far as is known.
    pub(super) fn is_safe(&self, rest: Duration) -> bool {
        self.closes_after.is_none_or(|after| rest < after / 4 * 3)
    }

    /// Whether anything was learned.
    pub(super) fn is_known(&self) -> bool {
        self.last.is_some()
    }
}

fn is_about(one: Duration, other: Duration) -> bool {
    one.abs_diff(other) <= one.max(other) / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(closings: &[u64]) -> Rest {
        let mut rest = Rest::default();
        for ms in closings {
            rest.was_closed(Duration::from_millis(*ms));
        }
        rest
    }

    #[test]
    fn two_closings_that_agree_are_an_idle_time_and_others_are_none() {
        for (closings, safe) in [
            (&[][..], 4000),
            (&[200], 4000),
            (&[200, 205], 149),
            (&[205, 200], 149),
            (&[200, 100], 4000),
            (&[10, 40, 90, 300], 4000),
            (&[200, 205, 50], 149),
            (&[200, 205, 50, 51], 35),
            (&[1000, 1001, 1000], 749),
        ] {
            let rest = learned(closings);
            assert!(rest.is_safe(Duration::from_millis(safe)), "{closings:?}");
            assert!(safe == 4000 || !rest.is_safe(Duration::from_millis(safe + 4)), "{closings:?}");
        }
    }

    #[test]
    fn one_that_rests_for_longer_shows_that_it_is_over() {
        let mut rest = learned(&[200, 200]);
        rest.is_open(Duration::from_millis(210));
        assert!(!rest.is_safe(Duration::from_millis(200)));
        rest.is_open(Duration::from_millis(251));
        assert!(rest.is_safe(Duration::from_millis(4000)));
        assert!(!rest.is_known());
    }
}
