//! How these policies stand in a file, how they describe themselves, and that a call that they let go costs no
//! allocation.
#![cfg(all(feature = "lanes", not(feature = "shuttle")))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use mamparo_context::{Clock, Context, Random};
use mamparo_policy::adaptive::{AdaptiveConfig, AdaptiveLimit, AlgorithmConfig};
use mamparo_policy::lane::{BlockingLaneConfig, CpuLaneConfig, Lane};
use mamparo_policy::shed::{GuardConfig, QueueDelay, ShedConfig, Shedder};
use mamparo_policy::throttle::{Throttle, ThrottleConfig};
use mamparo_policy::{Admission, Outcome};
use schemars::{JsonSchema, schema_for};
use serde::{Serialize, de::DeserializeOwned};

fn is_a_file<T: Serialize + DeserializeOwned + JsonSchema + PartialEq + std::fmt::Debug>(text: &str) -> T {
    let config: T = serde_json::from_str(text).unwrap();
    let written = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<T>(&written).unwrap(), config);
    assert!(serde_json::from_str::<T>(r#"{"no_such_thing": 1}"#).is_err());
    let schema = serde_json::to_value(schema_for!(T)).unwrap().to_string();
    assert!(schema.contains(r#""format":"duration""#), "{schema}");
    config
}

#[test]
fn each_stands_in_a_file() {
    let adaptive: AdaptiveConfig = is_a_file(
        r#"{"algorithm": {"gradient2": {"tolerance": 2.0}}, "max": 80, "line": {"capacity": 9}, "window": "200ms"}"#,
    );
    assert!(matches!(adaptive.algorithm, AlgorithmConfig::Gradient2(gradient) if gradient.tolerance == 2.0));
    assert_eq!((adaptive.max, adaptive.window), (80, Duration::from_millis(200)));
    let shed: ShedConfig = is_a_file(r#"{"mode": "shadow", "trickle": 0.02, "reshuffle": "1d"}"#);
    assert_eq!(shed.reshuffle, Duration::from_secs(86_400));
    let guard: GuardConfig = is_a_file(r#"{"cpu": 0.9, "memory_pressure": 0.1, "every": "2s"}"#);
    assert_eq!((guard.cpu, guard.memory), (Some(0.9), None));
    assert_eq!(is_a_file::<ThrottleConfig>(r#"{"k": 1.5}"#).k, 1.5);
    assert_eq!(is_a_file::<CpuLaneConfig>(r#"{"reserved": 2}"#).reserved, 2);
    assert_eq!(is_a_file::<BlockingLaneConfig>(r#"{"size": 4, "line": {"max_wait": "1s"}}"#).size, 4);
    assert_eq!(serde_json::from_str::<Lane>(r#""blocking""#).unwrap(), Lane::Blocking);
    assert_eq!(Lane::Blocking.as_str(), "blocking");
}

struct World {
    clock: Clock,
    adaptive: Arc<AdaptiveLimit>,
    shed: Arc<Shedder>,
    throttle: Arc<Throttle>,
}

fn world() -> World {
    let (clock, _hand) = Clock::manual();
    let random = Random::seeded(1);
    let delay = Arc::new(QueueDelay::new(Duration::from_millis(5), Duration::from_millis(100)));
    World {
        adaptive: Arc::new(
            AdaptiveLimit::new(AdaptiveConfig::default(), clock.clone(), random.clone()).unwrap(),
        ),
        shed: Arc::new(
            Shedder::new(ShedConfig::default(), vec![delay], clock.clone(), random.clone()).unwrap(),
        ),
        throttle: Arc::new(Throttle::new(ThrottleConfig::default(), clock.clone(), random).unwrap()),
        clock,
    }
}

#[test]
fn each_describes_itself() {
    let world = world();
    for (is, said) in [
        (world.adaptive.describe(), "vegas, 20 calls at a time now, 4 to 1000; none wait"),
        (world.shed.describe(), "by queue-delay; calm below 0.8, a trickle of 1.0%"),
        (world.throttle.describe(), "2 attempts for each that is accepted in the last 120s, at least 1.0%"),
    ] {
        assert_eq!(is, said);
    }
}

fn allocations<A: Admission>(policy: &Arc<A>, cx: &Context, clock: &Clock) -> u64 {
    let call = || {
        let permit = policy.try_enter(cx, clock.moment()).unwrap();
        permit.record(&Outcome::Success, clock.moment());
    };
    call();
    allocation_counter::measure(call).count_total
}

#[test]
fn a_call_that_is_let_go_allocates_nothing() {
    let (world, cx) = (world(), Context::root());
    assert_eq!(allocations(&world.adaptive, &cx, &world.clock), 0);
    assert_eq!(allocations(&world.shed, &cx, &world.clock), 0);
    assert_eq!(allocations(&world.throttle, &cx, &world.clock), 0);
}
