//! Probes are reserved, and late answers are not listened to, whatever threads do.

use std::sync::Arc;
use std::time::Duration;

use mamparo_context::{Clock, Context, Fault};
use mamparo_policy::breaker::{
    Breaker, BreakerConfig, BreakerState, HalfOpenConfig, OpenConfig, WindowConfig,
};
use mamparo_policy::{Admission, Admit, Outcome};
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;

use crate::check;

fn config() -> BreakerConfig {
    BreakerConfig {
        window: WindowConfig::Calls(8),
        minimum_calls: 2,
        open: OpenConfig { initial: Duration::from_millis(10), jitter: 0.0, ..OpenConfig::default() },
        half_open: HalfOpenConfig { ramp_to: 1, ..HalfOpenConfig::default() },
        ..BreakerConfig::default()
    }
}

#[test]
fn of_many_threads_one_has_the_probe() {
    check(|| {
        let (clock, manual) = Clock::manual();
        let breaker = Arc::new(Breaker::seeded(config(), clock.clone(), 1).unwrap());
        let cx = Context::root();
        for _ in 0..2 {
            let Admit::Admit(pass) = breaker.acquire(&cx, clock.moment()) else { unreachable!() };
            breaker.record(pass, &Outcome::Failure(Fault::upstream()), clock.moment());
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        manual.advance(Duration::from_millis(10));
        let (now, probes) = (clock.moment(), Arc::new(AtomicUsize::new(0)));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (breaker, probes) = (Arc::clone(&breaker), Arc::clone(&probes));
                thread::spawn(move || {
                    if let Admit::Admit(_held) = breaker.acquire(&Context::root(), now) {
                        probes.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(probes.load(Ordering::SeqCst), 1);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    });
}

#[test]
fn it_opens_whoever_sees_the_failures_and_a_late_answer_does_not_close_it() {
    check(|| {
        let (clock, _) = Clock::manual();
        let breaker = Arc::new(Breaker::seeded(config(), clock.clone(), 1).unwrap());
        let cx = Context::root();
        let Admit::Admit(late) = breaker.acquire(&cx, clock.moment()) else { unreachable!() };
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (breaker, now) = (Arc::clone(&breaker), clock.moment());
                thread::spawn(move || {
                    if let Admit::Admit(pass) = breaker.acquire(&Context::root(), now) {
                        breaker.record(pass, &Outcome::Failure(Fault::upstream()), now);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(breaker.state(), BreakerState::Open);
        breaker.record(late, &Outcome::Success, clock.moment());
        assert_eq!(breaker.state(), BreakerState::Open);
    });
}
