//! Shedding as a library call: who is turned away, who never is, and what the signals say.
#![cfg(not(feature = "shuttle"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mamparo_context::{Clock, Context, Criticality, ManualClock, Principal, Random};
use mamparo_policy::adaptive::{AdaptiveConfig, AdaptiveLimit};
use mamparo_policy::shed::{LimitReached, QueueDelay, ShedConfig, Shedder, Signal};
use mamparo_policy::{Admission, Mode, Policy, Reason};

const EVERY: Duration = Duration::from_millis(250);
const CLASSES: [Criticality; 4] =
    [Criticality::Sheddable, Criticality::SheddablePlus, Criticality::Critical, Criticality::CriticalPlus];

/// A signal that shows what it is told.
#[derive(Default)]
struct Told(Mutex<f64>);

impl Told {
    fn tell(&self, pressure: f64) {
        *self.0.lock().unwrap() = pressure;
    }
}

impl Signal for Told {
    fn name(&self) -> &'static str {
        "told"
    }

    fn pressure(&self, _now: mamparo_context::Moment) -> f64 {
        *self.0.lock().unwrap()
    }
}

struct World {
    shedder: Arc<Shedder>,
    told: Arc<Told>,
    clock: Clock,
    hand: ManualClock,
}

fn world(config: ShedConfig) -> World {
    let (clock, hand) = Clock::manual();
    let told = Arc::new(Told::default());
    let signals = vec![Arc::clone(&told) as Arc<dyn Signal>];
    let shedder = Shedder::new(config, signals, clock.clone(), Random::seeded(1)).unwrap();
    World { shedder: Arc::new(shedder), told, clock, hand }
}

fn of(class: Criticality, user: u32) -> Context {
    Context::root().with_criticality(class).with_principal(Principal::new(&format!("user-{user}")))
}

impl World {
    /// Every user calls once in each class; who was let go.
    fn round(&self, users: u32) -> [BTreeSet<u32>; 4] {
        self.hand.advance(EVERY);
        CLASSES.map(|class| {
            let is_let_go =
                |user: &u32| self.shedder.try_enter(&of(class, *user), self.clock.moment()).is_ok();
            (0..users).filter(is_let_go).collect()
        })
    }
}

fn without_trickle() -> ShedConfig {
    ShedConfig { trickle: 0.0, ..ShedConfig::default() }
}

#[test]
fn the_lowest_class_goes_first_and_the_same_users_stay() {
    let world = world(without_trickle());
    assert!(world.round(1_000).iter().all(|users| users.len() == 1_000));
    world.told.tell(1.5);
    world.round(1_000);
    world.told.tell(0.9);
    let first = world.round(1_000);
    let sizes = [0, 1, 2, 3].map(|class| first[class].len());
    assert!(sizes[0] == 0 && (400..800).contains(&sizes[1]) && sizes[2..] == [1_000; 2], "{sizes:?}");
    for _ in 0..5 {
        assert_eq!(world.round(1_000), first, "neither overload nor calm: the same users");
    }
    let refusal = world.shedder.try_enter(&of(CLASSES[0], 1), world.clock.moment()).unwrap_err();
    assert_eq!((refusal.policy, refusal.reason), (Policy::Shed, Reason::Overloaded));
    assert!(refusal.retry_after.is_some_and(|after| after >= Duration::from_millis(500)));
}

#[test]
fn what_was_shed_comes_back_bit_by_bit_and_only_in_calm() {
    let world = world(without_trickle());
    world.round(200);
    world.told.tell(2.0);
    world.round(200);
    let mut last = world.shedder.shows().accepted;
    assert_eq!(last, 0.5);
    world.told.tell(0.81);
    world.round(200);
    assert_eq!(world.shedder.shows().accepted, last, "no flapping");
    world.told.tell(0.5);
    let mut rounds = 0;
    while world.shedder.shows().threshold > 0 {
        world.round(200);
        let accepted = world.shedder.shows().accepted;
        assert!(accepted > last && accepted < last * 1.1);
        last = accepted;
        rounds += 1;
    }
    assert!((8..20).contains(&rounds), "{rounds}");
}

#[test]
fn a_trickle_of_each_class_is_kept_and_who_is_exempt_is_never_asked() {
    let world = world(ShedConfig::default());
    world.told.tell(100.0);
    (0..30).for_each(|_| drop(world.round(100)));
    assert_eq!(world.shedder.shows().whole, None, "some of every class are shed");
    let before = world.shedder.shows().trickled;
    let mut let_go = [0; 4];
    for _ in 0..10 {
        for (class, users) in world.round(100).iter().enumerate() {
            let_go[class] += users.len();
        }
    }
    assert!(let_go[..3].iter().all(|calls| *calls == 10), "one in a hundred: {let_go:?}");
    assert!(world.shedder.shows().trickled - before >= 30);
    let permits: Vec<_> = (0..1_000).map(|_| world.shedder.exempt()).collect();
    drop(permits);
    assert_eq!(world.shedder.shows().exempted, 1_000);
}

#[test]
fn other_users_are_shed_after_a_while() {
    let world = world(without_trickle());
    world.round(1_000);
    world.told.tell(1.1);
    world.round(1_000);
    world.told.tell(0.9);
    let first = world.round(1_000);
    world.hand.advance(Duration::from_secs(3_600));
    world.round(1_000);
    let later = world.round(1_000);
    let both = first[0].intersection(&later[0]).count();
    assert!(both < first[0].len() * 3 / 4, "{both} of {}", first[0].len());
}

#[test]
fn shadow_counts_and_off_does_not_look() {
    let world = world(ShedConfig { mode: Mode::Shadow, ..without_trickle() });
    world.round(10);
    world.told.tell(9.0);
    assert!(world.round(10).iter().all(|users| users.len() == 10));
    assert!(world.shedder.counts().read().shadow_refused > 0);
    world.shedder.reconfigure(ShedConfig { mode: Mode::Off, ..without_trickle() }).unwrap();
    let before = world.shedder.counts().read();
    world.round(10);
    assert_eq!(world.shedder.counts().read(), before);
    assert!(world.shedder.reconfigure(ShedConfig { calm: 2.0, ..without_trickle() }).is_err());
}

#[test]
fn a_shedder_without_a_signal_is_not_made() {
    let made = Shedder::new(ShedConfig::default(), vec![], Clock::system(), Random::seeded(1));
    assert_eq!(made.unwrap_err().field, "signals");
}

#[test]
fn a_line_that_stands_is_a_signal() {
    let (clock, hand) = Clock::manual();
    let delay = QueueDelay::new(Duration::from_millis(5), Duration::from_millis(100));
    assert_eq!(delay.pressure(clock.moment()), 0.0);
    for _ in 0..30 {
        delay.observe(Duration::from_millis(20), clock.moment());
        hand.advance(Duration::from_millis(10));
    }
    assert_eq!(delay.pressure(clock.moment()), 4.0);
    hand.advance(Duration::from_secs(1));
    assert_eq!(delay.pressure(clock.moment()), 0.0);
}

/// What a limit would refuse at random is shed by class instead.
#[test]
fn refusals_of_a_limit_become_shedding_of_the_lowest() {
    let (clock, hand) = Clock::manual();
    let config = AdaptiveConfig { initial: 10, min: 10, max: 10, ..AdaptiveConfig::default() };
    let limit = Arc::new(AdaptiveLimit::new(config, clock.clone(), Random::seeded(1)).unwrap());
    let signals: Vec<Arc<dyn Signal>> = vec![Arc::new(LimitReached::new(Arc::clone(&limit)))];
    let shedder =
        Arc::new(Shedder::new(without_trickle(), signals, clock.clone(), Random::seeded(2)).unwrap());
    let refused = AtomicU64::new(0);
    for round in 0..400 {
        // Twenty ask at the same time, ten in the lowest class; ten can be served.
        let mut held = Vec::new();
        for user in 0..20 {
            let class = CLASSES[if user % 2 == 0 { 0 } else { 2 }];
            if shedder.try_enter(&of(class, round * 20 + user), clock.moment()).is_ok() {
                match limit.try_enter(&Context::root(), clock.moment()) {
                    Ok(permit) => held.push((class, permit)),
                    Err(_) if round >= 200 => _ = refused.fetch_add(1, Ordering::Relaxed),
                    Err(_) => {}
                }
            }
        }
        if round >= 200 {
            let high = held.iter().filter(|(class, _)| *class == Criticality::Critical).count();
            assert!(high >= 9, "{high} of 10 in round {round}");
        }
        hand.advance(Duration::from_millis(50));
        // The signals are looked at while the calls are under way.
        let _ = shedder.try_enter(&of(CLASSES[3], round), clock.moment());
    }
    assert!(refused.load(Ordering::Relaxed) < 100, "{refused:?} of 4000");
    let threshold = shedder.shows().threshold;
    assert!((90..=220).contains(&threshold), "{threshold}: all of the lowest class, and hardly more");
}
