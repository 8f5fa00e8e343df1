//! A handler that holds its thread is found and named, and nobody else is.
#![cfg(all(feature = "lanes", not(feature = "shuttle")))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::convert::Infallible;
use std::fmt::Write;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll};
use std::time::Duration;

use mamparo_context::{Clock, ManualClock};
use mamparo_policy::lane::{Watch, WatchConfig};
use tower_layer::Layer;
use tower_service::Service;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn watch(config: WatchConfig) -> (Watch, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Watch::new(config, clock).unwrap(), hand)
}

/// Holds its thread for each of `polls` in turn.
async fn busy(hand: ManualClock, polls: &[u64]) {
    for poll in polls {
        hand.advance(MS(*poll));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_longest_polls_are_counted_by_name_and_the_worst_stands_first() {
    let (watch, hand) = watch(WatchConfig::default());
    watch.wrap("GET /ping", busy(hand.clone(), &[1, 2, 10])).await;
    watch.wrap("GET /report", busy(hand.clone(), &[1, 11, 250])).await;
    let seen: Vec<_> =
        watch.seen().into_iter().map(|s| (s.name.to_string(), s.timed, s.too_long, s.longest)).collect();
    assert_eq!(seen, [("GET /report".into(), 4, 2, MS(250)), ("GET /ping".into(), 4, 0, MS(10))]);
}

#[tokio::test]
async fn only_some_polls_are_timed_when_that_was_asked_for() {
    let (watch, hand) = watch(WatchConfig { sample: 3, ..WatchConfig::default() });
    watch.wrap("GET /", busy(hand, &[20, 20, 20, 20, 20, 20])).await;
    let seen = watch.seen();
    assert_eq!((seen[0].timed, seen[0].too_long), (3, 2), "polls 1, 4 and 7, and the last held nobody");
}

#[tokio::test]
async fn names_are_bounded() {
    let (watch, _hand) = watch(WatchConfig::default());
    for number in 0..3_000 {
        watch.wrap(&format!("route {number}"), ready(())).await;
    }
    let seen = watch.seen();
    assert_eq!(seen.len(), mamparo_policy::limits::WATCH_NAMES_MAX + 1);
    assert!(seen.iter().any(|polled| &*polled.name == "(others)" && polled.timed == 3_000 - 1_024));
}

#[derive(Clone)]
struct Handler(ManualClock);

impl Service<Duration> for Handler {
    type Response = ();
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<(), Infallible>>>>;

    fn poll_ready(&mut self, _task: &mut Task<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, holds: Duration) -> Self::Future {
        let hand = self.0.clone();
        Box::pin(async move {
            hand.advance(holds);
            Ready::into_inner(ready(Ok(())))
        })
    }
}

/// Writes down what is said.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Said {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[tokio::test]
async fn a_layer_names_the_route_once_in_a_minute_and_says_where_it_belongs() {
    let (watch, hand) = watch(WatchConfig::default());
    let said = Said::default();
    let guard = tracing::subscriber::set_default(said.clone());
    let mut service = watch.layer("POST /resize").layer(Handler(hand.clone()));
    for holds in [5, 20, 30, 40] {
        service.call(MS(holds)).await.unwrap();
    }
    assert_eq!(said.0.lock().unwrap().len(), 1);
    let line = said.0.lock().unwrap()[0].clone();
    assert!(line.contains("POST /resize") && line.contains("20ms") && line.contains("cpu lane"), "{line}");
    hand.advance(Duration::from_secs(60));
    service.call(MS(50)).await.unwrap();
    drop(guard);
    assert_eq!(said.0.lock().unwrap().len(), 2);
    assert!(said.0.lock().unwrap()[1].contains("too_long=4"));
}

#[tokio::test]
async fn the_watch_of_the_process_takes_real_time() {
    mamparo_policy::lane::watch("real", tokio::task::yield_now()).await;
    let seen = Watch::global().seen();
    assert!(seen.iter().any(|polled| &*polled.name == "real" && polled.timed == 2));
}
