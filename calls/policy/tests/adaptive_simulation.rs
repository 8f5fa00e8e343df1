//! An adaptive limit in front of a server whose capacity is known, in virtual time: what it learns is compared with
//! the truth.
#![cfg(not(feature = "shuttle"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use mamparo_context::{Clock, Context, ManualClock, Moment, Random};
use mamparo_policy::adaptive::{AdaptiveConfig, AdaptiveLimit, AdaptivePass, AimdConfig, AlgorithmConfig};
use mamparo_policy::{Admission, Admit, Outcome};

/// How long the server works at one call, on average.
const SERVICE: Duration = Duration::from_millis(10);

struct World {
    clock: Clock,
    hand: ManualClock,
    random: Random,
    limit: AdaptiveLimit,
    cx: Context,
    /// Calls that the server works at, by when each is done.
    busy: BinaryHeap<Reverse<(Moment, u64)>>,
    /// Calls that wait inside the server.
    inside: VecDeque<u64>,
    passes: Vec<Option<AdaptivePass>>,
    workers: usize,
    done: u64,
}

impl World {
    fn new(algorithm: AlgorithmConfig, workers: usize) -> Self {
        let (clock, hand) = Clock::manual();
        let config =
            AdaptiveConfig { algorithm, probe_every: Duration::from_secs(10), ..AdaptiveConfig::default() };
        let limit = AdaptiveLimit::new(config, clock.clone(), Random::seeded(1)).unwrap();
        Self {
            clock,
            hand,
            random: Random::seeded(2),
            limit,
            cx: Context::root(),
            busy: BinaryHeap::new(),
            inside: VecDeque::new(),
            passes: Vec::new(),
            workers,
            done: 0,
        }
    }

    fn go_to(&mut self, at: Moment) {
        self.hand.advance(at.since(self.clock.moment()));
    }

    fn work(&mut self) {
        while self.busy.len() < self.workers
            && let Some(call) = self.inside.pop_front()
        {
            let takes = SERVICE.mul_f64(0.8 + 0.4 * self.random.unit());
            self.busy.push(Reverse((self.clock.moment() + takes, call)));
        }
    }

    fn arrive(&mut self) {
        if let Admit::Admit(pass) = self.limit.acquire(&self.cx, self.clock.moment()) {
            self.inside.push_back(self.passes.len() as u64);
            self.passes.push(Some(pass));
            self.work();
        }
    }

    fn finish(&mut self, at: Moment, call: u64) {
        self.go_to(at);
        let pass = self.passes[call as usize].take().unwrap();
        self.limit.record(pass, &Outcome::Success, at);
        self.done += 1;
        self.work();
    }

    /// Calls come at random, `rate` in a second; gives how many were done in a second.
    fn run(&mut self, seconds: u64, rate: f64) -> f64 {
        let (start, before) = (self.clock.moment(), self.done);
        let end = start + Duration::from_secs(seconds);
        let mut next = start;
        while next < end {
            while let Some(&Reverse((at, call))) = self.busy.peek()
                && at <= next
            {
                self.busy.pop();
                self.finish(at, call);
            }
            self.go_to(next);
            self.arrive();
            next = next + Duration::from_secs_f64(-(1.0 - self.random.unit()).ln() / rate);
        }
        (self.done - before) as f64 / seconds as f64
    }

    fn learned(&self) -> f64 {
        self.limit.state().learned
    }
}

/// Each with how far above the capacity it may settle: its line is part of the limit.
fn algorithms() -> [(AlgorithmConfig, f64); 3] {
    let slow = SERVICE.mul_f64(1.5);
    [
        (AlgorithmConfig::default(), 1.5),
        (AlgorithmConfig::Gradient2(Default::default()), 2.2),
        (AlgorithmConfig::Aimd(AimdConfig { slow, ..AimdConfig::default() }), 1.7),
    ]
}

#[test]
fn it_finds_the_capacity_and_finds_it_again_after_half_of_it_is_lost() {
    for (algorithm, most) in algorithms() {
        let mut world = World::new(algorithm, 40);
        world.run(30, 8_000.0);
        let done = world.run(10, 8_000.0);
        let limit = world.learned();
        assert!((36.0..40.0 * most).contains(&limit), "{algorithm:?} learned {limit} for 40 workers");
        assert!(done > 3_800.0, "{algorithm:?} did {done} of 4000/s");

        world.workers = 20;
        world.run(30, 8_000.0);
        let done = world.run(10, 8_000.0);
        let limit = world.learned();
        assert!((18.0..20.0 * most).contains(&limit), "{algorithm:?} learned {limit} for 20 workers");
        assert!(done > 1_900.0, "{algorithm:?} did {done} of 2000/s");

        world.workers = 40;
        world.run(30, 8_000.0);
        let done = world.run(10, 8_000.0);
        assert!(
            done > 3_800.0,
            "{algorithm:?} did {done} of 4000/s after recovery, limit {}",
            world.learned()
        );
    }
}

#[test]
fn it_does_not_drift_upwards_under_overload_that_never_ends() {
    for (algorithm, most) in algorithms() {
        let mut world = World::new(algorithm, 20);
        for minute in 0..10 {
            world.run(60, 4_000.0);
            let limit = world.learned();
            assert!(limit < 20.0 * most, "{algorithm:?} learned {limit} by minute {minute}");
        }
    }
}

#[test]
fn it_learns_nothing_from_little_work() {
    for (algorithm, _) in algorithms() {
        let mut world = World::new(algorithm, 40);
        world.run(60, 100.0);
        assert!(world.learned() <= 20.0, "{algorithm:?} learned {}", world.learned());
    }
}
