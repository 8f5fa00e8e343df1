//! Sagas of three steps, every step durable: its state, its timer and the command of the next step committed and
//! on disk before the answer to the step is acknowledged. The callees answer at once, so this is what the saga
//! itself costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use mamparo_context::{Clock, Context};
use mamparo_ledger::{Error, Ledger, Tx};
use mamparo_ledger_sqlite::Options;
use mamparo_saga::{Compensation, Input, Outcome, Registry, Saga, SagaId, Sagas, Status, Step, Taken};
use serde_json::json;

use crate::report::{Figure, Report, Target};
use crate::run::{Plan, histogram, median, micros_since};

const CALLERS: usize = 64;
const STEPS: [&str; 3] = ["payment", "inventory", "shipping"];

pub(crate) fn bench(plan: &Plan) -> Report {
    let mut report = Report::new("saga");
    report.condition(
        "saga",
        "3 steps with compensations and a deadline, each answer its own transaction, fdatasync",
    );
    report.condition("callers", CALLERS);
    report.condition("rounds", plan.rounds);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (mut rates, mut p99, mut single) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        let (rate, latency) = runtime.block_on(run(plan, &format!("saga-{round}.db"), CALLERS));
        rates.push(rate);
        p99.push(latency.value_at_quantile(0.99) as f64 / 1000.0);
        single.push(runtime.block_on(run(plan, &format!("saga-one-{round}.db"), 1)).0);
    }
    report.push(Figure::new("sagas, 64 callers", median(rates), "1/s").target(Target::AtLeast(4_000.0)));
    report.push(Figure::new("  p99 from start to completion", median(p99), "ms"));
    report.push(Figure::new("sagas, 1 caller", median(single), "1/s"));
    report
}

async fn run(plan: &Plan, file: &str, callers: usize) -> (f64, Histogram<u64>) {
    let ledger = Options::new(plan.folder.join(file)).open().unwrap();
    let sagas = sagas(&ledger).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let clock = Clock::system();
    let start = clock.now();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| tokio::spawn(drive(ledger.clone(), sagas.clone(), caller, Arc::clone(&is_over))))
        .collect();
    tokio::time::sleep(plan.seconds).await;
    is_over.store(true, Ordering::Relaxed);
    let mut latency = histogram();
    for task in tasks {
        latency.add(task.await.unwrap()).unwrap();
    }
    let rate = latency.len() as f64 / (clock.now() - start).as_secs_f64();
    ledger.close().await;
    (rate, latency)
}

async fn sagas(ledger: &Ledger) -> Sagas {
    let mut definition = Saga::define("bench", 1).deadline(Duration::from_secs(600));
    for step in STEPS {
        let step = Step::message(step, step).payload(|data| data.input().clone());
        definition = definition.step(step.compensate(Compensation::message("undo")));
    }
    let mut registry = Registry::default();
    registry.register(definition.build().unwrap()).unwrap();
    Sagas::builder(registry, "replies").open(ledger).await.unwrap()
}

async fn drive(ledger: Ledger, sagas: Sagas, caller: usize, is_over: Arc<AtomicBool>) -> Histogram<u64> {
    let (clock, cx, mut latency) = (Clock::system(), Context::root(), histogram());
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let began = clock.now();
        let id: SagaId = format!("order-{caller}-{number}").parse().unwrap();
        let (own, saga) = (sagas.clone(), id.clone());
        let start = async move |tx: &mut Tx<'_>| {
            let input =
                json!({"customer": "ana", "lines": [{"sku": "mate", "quantity": 2}], "total": 150_000});
            own.start(tx, "bench", saga.clone(), input).await
        };
        ledger.transact(&cx, start).await.unwrap();
        let mut last = None;
        for step in STEPS {
            let (own, saga) = (sagas.clone(), id.clone());
            let answer = async move |tx: &mut Tx<'_>| {
                let command = format!("{saga}/{step}/do").parse().map_err(Error::app)?;
                let outcome = Outcome::Succeeded(json!({"reference": 42}));
                own.take(tx, &saga, Input::Reply { command, attempt: 1, outcome }).await
            };
            last = Some(ledger.transact(&cx, answer).await.unwrap());
        }
        assert!(matches!(last, Some(Taken::Now(Status::Completed))), "{last:?}");
        latency.saturating_record(micros_since(&clock, began));
    }
    latency
}
