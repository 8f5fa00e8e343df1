//! Attempts and acceptances of a sliding window, and the share that follows from them.
//!
//! An acceptance is counted where its attempt was, so that both leave the window together: counted at their own time,
//! the answers of a slow dependency would stay when their attempts have gone, and hide that it refuses.

use std::time::Duration;

use mamparo_context::Moment;
use mamparo_context::duration::nanos;

/// Buckets of a window: what is forgotten at a time is a fortieth.
pub const BUCKETS: usize = 40;

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    attempts: u64,
    accepts: u64,
}

/// A window of [`BUCKETS`] buckets. Every step takes the same time, but for the buckets that have gone by since the
/// last one.
#[derive(Debug)]
pub struct Window {
    length: Duration,
    buckets: [Bucket; BUCKETS],
    /// The number of the newest bucket, counted since the first moment.
    newest: u64,
    sum: Bucket,
}

impl Window {
    /// An empty window whose buckets are `length` long.
    pub fn new(length: Duration) -> Self {
        let length = length.max(Duration::from_nanos(1));
        Self { length, buckets: [Bucket::default(); BUCKETS], newest: 0, sum: Bucket::default() }
    }

    /// Gives the buckets another length. What was counted is kept, and as old as it was in buckets.
    pub fn rescale(&mut self, length: Duration, now: Moment) {
        self.turn(now);
        let by_age = std::array::from_fn::<_, BUCKETS, _>(|age| {
            self.newest.checked_sub(age as u64).map_or(Bucket::default(), |number| self.at(number))
        });
        let mut scaled = Self::new(length);
        scaled.newest = scaled.number(now);
        for (age, bucket) in by_age.into_iter().enumerate() {
            // Where buckets are so long that there were fewer since the first moment, the first one takes the rest.
            let first = &mut scaled.buckets[slot(scaled.newest.saturating_sub(age as u64))];
            first.attempts += bucket.attempts;
            first.accepts += bucket.accepts;
        }
        scaled.sum = self.sum;
        *self = scaled;
    }

    /// Counts an attempt; gives its bucket.
    pub fn attempt(&mut self, now: Moment) -> u64 {
        self.turn(now);
        self.buckets[slot(self.newest)].attempts += 1;
        self.sum.attempts += 1;
        self.newest
    }

    /// The attempt of `bucket` was accepted.
    pub fn accept(&mut self, bucket: u64, now: Moment) {
        self.turn(now);
        if self.has(bucket) && self.at(bucket).accepts < self.at(bucket).attempts {
            self.buckets[slot(bucket)].accepts += 1;
            self.sum.accepts += 1;
        }
    }

    /// The attempt of `bucket` did not happen.
    pub fn retract(&mut self, bucket: u64, now: Moment) {
        self.turn(now);
        if self.has(bucket) && self.at(bucket).accepts < self.at(bucket).attempts {
            self.buckets[slot(bucket)].attempts -= 1;
            self.sum.attempts -= 1;
        }
    }

    /// The chance that an attempt is held back: `(attempts - k * accepts) / (attempts + 1)`, and never above
    /// `1 - floor`.
    pub fn probability(&mut self, k: f64, floor: f64, now: Moment) -> f64 {
        self.turn(now);
        let (attempts, accepts) = (self.sum.attempts as f64, self.sum.accepts as f64);
        ((attempts - k * accepts) / (attempts + 1.0)).clamp(0.0, 1.0 - floor)
    }

    /// Attempts and acceptances in the window.
    pub const fn counted(&self) -> (u64, u64) {
        (self.sum.attempts, self.sum.accepts)
    }

    /// Forgets what has left the window.
    fn turn(&mut self, now: Moment) {
        let number = self.number(now);
        if number <= self.newest {
            return;
        }
        let gone = (number - self.newest).min(BUCKETS as u64);
        for step in 0..gone {
            let bucket = std::mem::take(&mut self.buckets[slot(number - step)]);
            self.sum.attempts -= bucket.attempts;
            self.sum.accepts -= bucket.accepts;
        }
        self.newest = number;
    }

    fn number(&self, now: Moment) -> u64 {
        now.as_nanos() / nanos(self.length).max(1)
    }

    fn has(&self, bucket: u64) -> bool {
        bucket <= self.newest && self.newest - bucket < BUCKETS as u64
    }

    fn at(&self, bucket: u64) -> Bucket {
        self.buckets[slot(bucket)]
    }
}

fn slot(number: u64) -> usize {
    (number % BUCKETS as u64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(1_000 + seconds)
    }

    #[test]
    fn the_share_follows_the_book() {
        // (attempts, accepts, k, share)
        for (attempts, accepts, k, share) in [
            (0, 0, 2.0, 0.0),
            (100, 100, 2.0, 0.0),
            (100, 50, 2.0, 0.0),
            (100, 49, 2.0, 2.0 / 101.0),
            (100, 10, 2.0, 80.0 / 101.0),
            (100, 10, 1.1, 89.0 / 101.0),
            (100_000, 0, 2.0, 0.99),
        ] {
            let mut window = Window::new(SECOND);
            let buckets: Vec<_> = (0..attempts).map(|_| window.attempt(at(0))).collect();
            buckets[..accepts].iter().for_each(|bucket| window.accept(*bucket, at(0)));
            let got = window.probability(k, 0.01, at(0));
            assert!((got - share).abs() < 1e-9, "{attempts} {accepts} {k}: {got}");
        }
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten_with_its_answer() {
        let mut window = Window::new(SECOND);
        let old = window.attempt(at(0));
        let new = window.attempt(at(39));
        window.accept(new, at(39));
        assert_eq!(window.counted(), (2, 1));
        window.accept(old, at(40));
        assert_eq!(window.counted(), (1, 1), "its attempt has gone");
        window.retract(old, at(40));
        assert_eq!(window.counted(), (1, 1));
        window.probability(2.0, 0.01, at(10_000));
        assert_eq!(window.counted(), (0, 0));
    }

    #[test]
    fn another_length_keeps_what_was_counted() {
        let mut window = Window::new(SECOND);
        (0..40).for_each(|second| _ = window.attempt(at(second)));
        window.rescale(SECOND * 10, at(39));
        assert_eq!(window.counted(), (40, 0));
        window.probability(2.0, 0.01, at(39 + 200));
        assert_eq!(window.counted(), (20, 0));
        window.rescale(SECOND, at(39 + 200));
        window.probability(2.0, 0.01, at(39 + 240));
        assert_eq!(window.counted(), (0, 0));
    }

    #[test]
    fn buckets_longer_than_all_time_keep_what_was_counted_once() {
        let mut window = Window::new(SECOND);
        (0..40).for_each(|second| _ = window.attempt(at(second)));
        window.rescale(SECOND * 1_000_000, at(39));
        assert_eq!(window.counted(), (40, 0));
        window.rescale(SECOND, at(39));
        assert_eq!(window.counted(), (40, 0));
        window.probability(2.0, 0.01, at(79));
        assert_eq!(window.counted(), (0, 0));
    }

    proptest! {
        /// As a list of all attempts would have it.
        #[test]
        fn a_window_counts_as_a_list_does(steps in proptest::collection::vec((0..30u64, 0..4usize, any::<usize>()), 0..200)) {
            let mut window = Window::new(SECOND);
            let (mut now, mut list) = (0, Vec::<(u64, u64, bool)>::new());
            for (pause, step, which) in steps {
                now += pause;
                match step {
                    0 | 1 => {
                        let bucket = window.attempt(at(now));
                        list.push((now, bucket, false));
                    }
                    2 if !list.is_empty() => {
                        let which = which % list.len();
                        if !list[which].2 {
                            list[which].2 = true;
                            window.accept(list[which].1, at(now));
                        }
                    }
                    3 if !list.is_empty() => {
                        let which = which % list.len();
                        if !list[which].2 {
                            window.retract(list[which].1, at(now));
                            list.remove(which);
                        }
                    }
                    _ => {}
                }
                let probability = window.probability(2.0, 0.01, at(now));
                prop_assert!((0.0..=0.99).contains(&probability));
                let live: Vec<_> = list.iter().filter(|(when, ..)| now - when < BUCKETS as u64).collect();
                let accepts = live.iter().filter(|(.., accepted)| *accepted).count();
                prop_assert_eq!(window.counted(), (live.len() as u64, accepts as u64));
            }
        }
    }
}
