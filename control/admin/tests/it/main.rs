//! A face over its socket, before a real ledger.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod sagas;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use mamparo_admin::{AdminError, CallError, Client, Face, Found, SagaAdmin, SagaFilter, find, serve};
use mamparo_broker::BoxFuture;
use mamparo_context::{Context, Timestamp};
use mamparo_ledger::{Expected, Ledger, Message, NewEvent, StreamName, Timer};
use serde_json::{Value, json};

struct OneSaga;

impl SagaAdmin for OneSaga {
    fn list(&self, filter: SagaFilter) -> BoxFuture<'_, Result<Vec<Value>, AdminError>> {
        Box::pin(
            async move { Ok(vec![json!({ "id": "s/1", "status": filter.status, "limit": filter.limit })]) },
        )
    }

    fn show<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Value, AdminError>> {
        Box::pin(async move {
            if id == "s/1" {
                Ok(json!({ "id": id }))
            } else {
                Err(AdminError::NotFound(format!("saga {id}")))
            }
        })
    }

    fn cancel<'a>(&'a self, id: &'a str, reason: &'a str) -> BoxFuture<'a, Result<Value, AdminError>> {
        Box::pin(async move { Ok(json!({ "id": id, "reason": reason })) })
    }

    fn resume<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Value, AdminError>> {
        Box::pin(async { Err(AdminError::Refused("it is not parked".into())) })
    }

    fn skip<'a>(&'a self, _: &'a str, _: &'a str, output: Value) -> BoxFuture<'a, Result<Value, AdminError>> {
        Box::pin(async move { Ok(output) })
    }
}

fn ledger(folder: &Path) -> Ledger {
    mamparo_ledger_sqlite::Options::new(folder.join("ledger.db")).open().unwrap()
}

async fn filled(folder: &Path) -> Ledger {
    let ledger = ledger(folder);
    let cx = Context::root();
    let work = ledger.transact(&cx, async |tx| {
        let event = NewEvent::json("OrderPlaced", &json!({ "total": 7 })).unwrap();
        tx.append(&StreamName::new("order-1"), Expected::NoStream, &[event]).await?;
        tx.publish(Message::json("orders", &json!({ "id": 1 })).unwrap().key("1")).await?;
        let due = Timestamp::from_micros(1_767_225_600_000_000);
        tx.set_timer(&Timer { owner: "saga".into(), key: "k".into(), due, payload: "{}".into() }).await
    });
    work.await.unwrap();
    ledger
}

fn client(socket: &Path) -> Client {
    Client::new(Found { service: "orders".into(), socket: socket.to_owned() })
}

#[tokio::test]
async fn a_face_shows_what_the_ledger_holds() {
    let folder = tempfile::tempdir().unwrap();
    let service = folder.path().join("orders");
    let ledger = filled(&service).await;
    let face = Face::new("orders", ledger).sagas(Arc::new(OneSaga)).relay(|| json!({ "sent": 3 }));
    let server = serve(face.metrics(async || "up 1\n".into()), &service.join("admin.sock")).unwrap();
    let mode = std::fs::metadata(server.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let found = find(folder.path()).unwrap();
    assert_eq!(found.iter().map(|one| one.service.as_str()).collect::<Vec<_>>(), ["orders"]);
    let client = Client::new(found[0].clone());

    let about = client.get("/").await.unwrap();
    assert_eq!(about["service"], "orders");
    assert_eq!(about["parts"], json!(["streams", "outbox", "timers", "sagas", "metrics"]));
    assert_eq!(
        client.get("/streams?prefix=order-").await.unwrap(),
        json!([{ "number": 1, "stream": "order-1", "version": 1 }])
    );
    assert_eq!(client.get("/streams?prefix=other").await.unwrap(), json!([]));
    let events = client.get("/streams/order-1").await.unwrap();
    assert_eq!((&events[0]["kind"], &events[0]["data"]), (&json!("OrderPlaced"), &json!({ "total": 7 })));
    let status = client.get("/outbox/status").await.unwrap();
    assert_eq!((&status["unsent"], &status["relay"]["sent"]), (&json!(1), &json!(3)));
    assert_eq!(client.get("/outbox").await.unwrap()[0]["topic"], "orders");
    let timers = client.get("/timers?owner=saga").await.unwrap();
    assert_eq!((&timers[0]["key"], &timers[0]["due"]), (&json!("k"), &json!("2026-01-01T00:00:00.000Z")));
    assert_eq!(client.get("/timers?owner=sag").await.unwrap(), json!([]));
    assert_eq!(client.get("/metrics").await.unwrap(), json!("up 1\n"));
    assert_eq!(client.get("/sagas/s%2F1").await.unwrap()["id"], "s/1");
    assert_eq!(client.get("/sagas?status=parked").await.unwrap()[0]["status"], "parked");
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = filled(folder.path()).await;
    let row = ledger.read_outbox(0, 1).await.unwrap()[0].id;
    ledger
        .transact(&Context::root(), async move |tx| tx.outbox_park(row, Some("refused")).await)
        .await
        .unwrap();
    let socket = folder.path().join("admin.sock");
    let server = serve(Face::new("orders", ledger.clone()).sagas(Arc::new(OneSaga)), &socket).unwrap();
    let client = client(&socket);

    let nothing = Value::Null;
    assert_eq!(client.post(&format!("/outbox/{row}/release"), &nothing).await.unwrap()["released"], true);
    assert_eq!(ledger.read_outbox(0, 1).await.unwrap()[0].parked, None);
    let status = |result: Result<Value, CallError>| match result {
        Err(CallError::Refused { status, detail, .. }) => format!("{} {detail}", status.as_u16()),
        other => panic!("{other:?}"),
    };
    assert_eq!(status(client.post("/outbox/99/release", &nothing).await), "404 there is no outbox row 99");
    assert_eq!(status(client.get("/queues").await), "404 orders has no queues");
    assert_eq!(status(client.get("/streams/none").await), "404 there is no stream none");
    assert_eq!(status(client.get("/streams?before=x").await), "400 before: `x` is not a whole number");
    assert_eq!(status(client.post("/sagas/1/resume", &nothing).await), "409 it is not parked");
    assert!(status(client.post("/sagas/1/cancel", &nothing).await).starts_with("400 body:"));
    let reason = json!({ "reason": "asked" });
    assert_eq!(client.post("/sagas/1/cancel", &reason).await.unwrap()["reason"], "asked");
    assert!(status(client.get("/nowhere").await).starts_with("404 there is no GET /nowhere"));

    drop(server);
    assert!(!socket.exists());
    assert!(matches!(client.get("/").await, Err(CallError::NotRunning { .. })));
}

#[tokio::test]
async fn a_socket_that_a_dead_process_left_is_replaced_and_a_long_path_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("d".repeat(120));
    let ledger = ledger(&deep);
    let socket = deep.join("admin.sock");
    std::fs::write(&socket, "left behind").unwrap();
    let _server = serve(Face::new("orders", ledger), &socket).unwrap();
    assert_eq!(client(&socket).get("/").await.unwrap()["service"], "orders");
}
