//! How many of the requests of the last so much time failed: a ring of slices, each one word that threads share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mamparo_context::Moment;
use mamparo_context::duration::nanos;

/// Steps in which the window slides.
const SLICES: u64 = 8;

/// Bits of a word that count failures, and above them those that count requests; the rest numbers the slice.
const COUNT_BITS: u32 = 20;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;
const NUMBERS: u64 = 1 << (64 - 2 * COUNT_BITS);

/// Sums over some requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) calls: u32,
    pub(crate) failures: u32,
}

/// How long a slice is, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slice(u64);

impl Slice {
    pub(crate) fn of(window: Duration) -> Self {
        Self((nanos(window) / SLICES).max(1))
    }

    fn number(self, now: Moment) -> u64 {
        now.as_nanos() / self.0 % NUMBERS
    }
}

/// The requests of the last so much time. Recording one is one atomic change.
#[derive(Debug, Default)]
pub(crate) struct Window {
    slices: [AtomicU64; SLICES as usize],
}

impl Window {
    #[inline]
    pub(crate) fn record(&self, failed: bool, slice: Slice, now: Moment) {
        let number = slice.number(now);
        let Some(word) = self.slices.get((number % SLICES) as usize) else { return };
        let add = |word| added(word, number, failed);
        _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// The sums over what is in the window at `now`.
    pub(crate) fn sums(&self, slice: Slice, now: Moment) -> Sums {
        let number = slice.number(now);
        let mut sums = Sums::default();
        for word in &self.slices {
            let word = word.load(Ordering::Relaxed);
            if behind(number, number_of(word)) < SLICES {
                sums.calls += count(word >> COUNT_BITS);
                sums.failures += count(word);
            }
        }
        sums
    }

    pub(crate) fn clear(&self) {
        self.slices.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    }
}

/// The word with one more request in it; nothing for a request that comes too late.
fn added(word: u64, number: u64, failed: bool) -> Option<u64> {
    let own = number_of(word);
    // A clock that another thread read a little earlier does not turn the window back.
    if (1..=SLICES).contains(&behind(own, number)) {
        return None;
    }
    let (calls, failures) = match own == number {
        true => (word >> COUNT_BITS & COUNT_MAX, word & COUNT_MAX),
        false => (0, 0),
    };
    // What does not fit any more is halved: the share stays.
    let (calls, failures) = if calls == COUNT_MAX { (calls / 2, failures / 2) } else { (calls, failures) };
    Some(number << (2 * COUNT_BITS) | (calls + 1) << COUNT_BITS | (failures + u64::from(failed)))
}

fn number_of(word: u64) -> u64 {
    word >> (2 * COUNT_BITS)
}

fn count(bits: u64) -> u32 {
    u32::try_from(bits & COUNT_MAX).unwrap_or(u32::MAX)
}

/// How many slices `earlier` lies behind `number`.
fn behind(number: u64, earlier: u64) -> u64 {
    number.wrapping_sub(earlier) % NUMBERS
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn what_is_full_keeps_its_share_and_what_comes_late_is_not_counted() {
        let (window, slice) = (Window::default(), Slice::of(8 * SECOND));
        let full = (COUNT_MAX << COUNT_BITS) | (COUNT_MAX / 4);
        window.slices[0].store(full, Ordering::Relaxed);
        window.record(true, slice, at(10));
        let Sums { calls, failures } = window.sums(slice, at(10));
        assert_eq!((calls, failures), (524_288, 131_072));
        window.record(true, slice, at(9_500));
        window.record(true, slice, at(1_500));
        assert_eq!(window.sums(slice, at(9_500)), Sums { calls: 1, failures: 1 });
    }

    #[test]
    fn a_window_of_another_length_is_not_stuck() {
        let (window, short, long) = (Window::default(), Slice::of(SECOND), Slice::of(1_000 * SECOND));
        window.record(true, short, at(500_000));
        window.record(true, long, at(500_001));
        assert_eq!(window.sums(long, at(500_001)).calls, 1);
    }

    proptest! {
        #[test]
        fn it_counts_what_a_plain_list_counts(steps in prop::collection::vec((0_u64..3_000, any::<bool>()), 1..200)) {
            let (window, slice) = (Window::default(), Slice::of(8 * SECOND));
            let mut list = VecDeque::new();
            // Later than the first window, whose slices look like those of an empty word.
            let mut millis = 100_000;
            for (step, failed) in steps {
                millis += step;
                window.record(failed, slice, at(millis));
                list.push_back((millis / 1_000, failed));
                list.retain(|(second, _)| second + 8 > millis / 1_000);
                let failures = list.iter().filter(|(_, failed)| *failed).count();
                let sums = window.sums(slice, at(millis));
                prop_assert_eq!((sums.calls as usize, sums.failures as usize), (list.len(), failures));
            }
        }
    }
}
