//! Sagas of a real ledger, moved by a person.

use std::time::Duration;

use mamparo_admin::{AdminError, Orchestrated, SagaAdmin, SagaFilter};
use mamparo_context::Context;
use mamparo_ledger::Ledger;
use mamparo_saga::{Registry, Saga, Sagas, Step};
use serde_json::{Value, json};

async fn started(ledger: &Ledger) -> Sagas {
    let mut definitions = Registry::new();
    let step = Step::message("payment", "payments.commands").compensate("payments.commands");
    definitions
        .register(
            Saga::define("place-order", 1).deadline(Duration::from_secs(60)).step(step).build().unwrap(),
        )
        .unwrap();
    let sagas = Sagas::builder(definitions, "orders.replies").open(ledger).await.unwrap();
    let (cx, starting) = (Context::root(), sagas.clone());
    let start = ledger.transact(&cx, async move |tx| {
        let id = "order-7".parse().map_err(mamparo_ledger::Error::app)?;
        starting.start(tx, "place-order", id, json!({ "total": 7 })).await
    });
    assert!(start.await.unwrap());
    sagas
}

#[tokio::test]
async fn a_saga_is_listed_shown_and_turned_back() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = super::ledger(folder.path());
    let sagas = started(&ledger).await;
    let sagas = Orchestrated::new(ledger, sagas);

    let list =
        |status: Option<&str>| SagaFilter { status: status.map(str::to_owned), after: None, limit: 10 };
    let running = sagas.list(list(Some("running"))).await.unwrap();
    assert_eq!((&running[0]["id"], &running[0]["step"]), (&json!("order-7"), &json!("payment")));
    assert_eq!(sagas.list(list(Some("parked"))).await.unwrap(), Vec::<Value>::new());

    let shown = sagas.show("order-7").await.unwrap();
    assert_eq!(shown["steps"][0], json!({ "step": "payment", "status": "in_flight", "attempt": 1 }));
    assert_eq!((&shown["input"]["total"], &shown["history"][0]["what"]), (&json!(7), &json!("started")));

    assert!(matches!(sagas.resume("order-7").await, Err(AdminError::Refused(_))));
    assert!(matches!(sagas.skip("order-7", "by hand", Value::Null).await, Err(AdminError::Refused(_))));
    let turned = sagas.cancel("order-7", "the customer called").await.unwrap();
    assert_eq!(turned["status"], "compensating");
    assert_eq!(sagas.show("order-7").await.unwrap()["reason"], "the customer called");

    assert!(matches!(sagas.show("order-8").await, Err(AdminError::NotFound(_))));
    assert!(matches!(sagas.cancel("not an id", "?").await, Err(AdminError::NotFound(_))));
}
