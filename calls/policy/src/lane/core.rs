//! What work costs, and how long new work would wait. No clock, randomness or I/O.

use std::collections::HashMap;
use std::time::Duration;

use mamparo_context::Moment;

use crate::limits::LANE_LABELS_MAX;

/// How much the newest job counts in the average of its label.
const WEIGHT: f64 = 0.2;

/// What is left of an average after work was refused because of it alone.
const DOUBT: f64 = 0.99;

/// How long jobs of each label take.
#[derive(Debug, Default)]
pub struct Costs {
    labels: HashMap<&'static str, Duration>,
    /// What has no row of its own, because there are too many labels.
    others: Option<Duration>,
}

impl Costs {
    /// How long a job of `label` takes; zero where none was seen yet.
    pub fn of(&self, label: &str) -> Duration {
        self.labels.get(label).copied().or(self.others).unwrap_or(Duration::ZERO)
    }

    /// A job of `label` took so long.
    pub fn learn(&mut self, label: &'static str, took: Duration) {
        let mix = |old: Duration| old.mul_f64(1.0 - WEIGHT) + took.mul_f64(WEIGHT);
        if let Some(own) = self.labels.get_mut(label) {
            *own = mix(*own);
        } else if self.labels.len() < LANE_LABELS_MAX {
            self.labels.insert(label, took);
        } else {
            self.others = Some(self.others.map_or(took, mix));
        }
    }

    /// Work of `label` was refused because it takes too long, whatever else there is to do: so the average is not
    /// learned any more, and fades, until one is tried again. Else a few slow jobs could close a label for ever.
    pub fn doubt(&mut self, label: &str) {
        if let Some(own) = self.labels.get_mut(label) {
            *own = own.mul_f64(DOUBT);
        } else if let Some(others) = &mut self.others {
            *others = others.mul_f64(DOUBT);
        }
    }

    /// Every label with what a job of it takes.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        self.labels.iter().map(|(label, cost)| (*label, *cost))
    }
}

/// What there is to do: expected costs of the jobs in line by class, and of those that run.
#[derive(Debug, Default)]
pub struct Backlog {
    queued: [Duration; 4],
    running: Vec<(u64, Moment, Duration)>,
}

impl Backlog {
    /// A job has come into the line.
    pub fn push(&mut self, class: usize, cost: Duration) {
        self.queued[class] = self.queued[class].saturating_add(cost);
    }

    /// A job has left the line.
    pub fn pop(&mut self, class: usize, cost: Duration) {
        self.queued[class] = self.queued[class].saturating_sub(cost);
    }

    /// Job `number` begins.
    pub fn start(&mut self, number: u64, cost: Duration, now: Moment) {
        self.running.push((number, now, cost));
    }

    /// Job `number` has ended; gives how long it took.
    pub fn end(&mut self, number: u64, now: Moment) -> Option<Duration> {
        let at = self.running.iter().position(|(own, ..)| *own == number)?;
        Some(now.since(self.running.swap_remove(at).1))
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// How long a job would wait for one of `threads` that goes after all that is in line in the classes from `class`
    /// on.
    pub fn wait(&self, class: usize, threads: usize, now: Moment) -> Duration {
        let queued: Duration = self.queued.iter().skip(class).sum();
        let running = self.running.iter().map(|(_, began, cost)| cost.saturating_sub(now.since(*began)));
        if self.running.len() < threads && queued.is_zero() {
            return Duration::ZERO;
        }
        (queued + running.sum()) / u32::try_from(threads.max(1)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn at(ms: u64) -> Moment {
        Moment::ZERO + MS(ms)
    }

    #[test]
    fn costs_follow_what_was_seen_and_are_bounded() {
        let mut costs = Costs::default();
        assert_eq!(costs.of("a"), Duration::ZERO);
        costs.learn("a", MS(10));
        assert_eq!(costs.of("a"), MS(10));
        costs.learn("a", MS(20));
        assert_eq!(costs.of("a"), MS(12));
        (0..70).for_each(|_| costs.doubt("a"));
        assert!(costs.of("a") < MS(6), "half of it after 70 refusals");
        for number in 0..2 * LANE_LABELS_MAX {
            costs.learn(Box::leak(number.to_string().into_boxed_str()), MS(7));
        }
        assert_eq!(costs.iter().count(), LANE_LABELS_MAX);
        assert_eq!(costs.of("never seen"), MS(7));
    }

    #[test]
    fn the_wait_is_what_goes_before_shared_by_the_threads() {
        let mut backlog = Backlog::default();
        assert_eq!(backlog.wait(0, 2, at(0)), Duration::ZERO);
        backlog.start(1, MS(20), at(0));
        assert_eq!(backlog.wait(0, 2, at(0)), Duration::ZERO, "a thread is free");
        backlog.start(2, MS(20), at(0));
        assert_eq!(backlog.wait(0, 2, at(0)), MS(20));
        assert_eq!(backlog.wait(0, 2, at(10)), MS(10));
        assert_eq!(backlog.wait(0, 2, at(90)), Duration::ZERO, "they should have ended");
        backlog.push(0, MS(40));
        backlog.push(2, MS(100));
        assert_eq!(backlog.wait(0, 2, at(90)), MS(70));
        assert_eq!(backlog.wait(1, 2, at(90)), MS(50), "the lowest class goes after it");
        assert_eq!(backlog.wait(3, 2, at(0)), MS(20), "only what runs goes before it");
        backlog.pop(2, MS(100));
        assert_eq!(backlog.end(1, at(30)), Some(MS(30)));
        assert_eq!(backlog.end(1, at(30)), None);
        assert_eq!(backlog.running(), 1);
    }
}
