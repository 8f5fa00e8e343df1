//! The outbox and the inbox: what leaves a transaction, and what takes effect once.

use std::time::Duration;

use mamparo_context::Ids;
use mamparo_ledger::{Error, Ledger, Message, MessageId, Receipt};

use super::{cx, message};

/// Rows wait in the order of their transactions, with everything they were given.
pub async fn the_outbox_keeps_order_and_content(ledger: &Ledger) {
    let id = Ids::system().next();
    let at = ledger.clock().wall();
    ledger
        .transact(&cx(), async move |tx| {
            let rich = message("k", "one").id(id).header("X-Name", "ñ").not_before(at);
            assert_eq!(tx.publish(rich).await?, MessageId(id));
            tx.publish(Message::new("suite", vec![0, 159, 255])).await
        })
        .await
        .expect("committed");
    ledger.transact(&cx(), async |tx| tx.publish(message("k", "three")).await).await.expect("committed");
    let rows = ledger.read_outbox(0, 10).await.expect("read");
    assert!(rows.windows(2).all(|pair| pair[0].id < pair[1].id));
    let first = &rows[0].message;
    assert_eq!(
        (first.id, first.key.as_deref(), first.not_before),
        (Some(MessageId(id)), Some("k"), Some(at))
    );
    assert_eq!(first.get_header("x-name"), Some("ñ"));
    assert_eq!((&*rows[1].message.payload, &rows[1].message.key), (&[0_u8, 159, 255][..], &None));
    assert_eq!(&*rows[2].message.payload, b"three");
    assert!(rows.iter().all(|row| row.message.id.is_some() && row.parked.is_none()));
    assert_eq!(ledger.read_outbox(rows[0].id, 1).await.expect("read")[0].id, rows[1].id);
}

/// Rows that were sent are gone; others stay.
pub async fn what_was_sent_is_forgotten(ledger: &Ledger) {
    for text in ["a", "b", "c"] {
        ledger
            .transact(&cx(), async move |tx| tx.publish(message("k", text)).await)
            .await
            .expect("committed");
    }
    let rows = ledger.read_outbox(0, 10).await.expect("read");
    let ids = [rows[0].id, rows[2].id, 999_999];
    let sent = ledger.transact(&cx(), async move |tx| tx.outbox_sent(&ids).await).await;
    assert_eq!(sent.expect("committed"), 2);
    let left = ledger.read_outbox(0, 10).await.expect("read");
    assert_eq!(left.iter().map(|row| row.id).collect::<Vec<_>>(), [rows[1].id]);
}

/// A row can be parked for a person, and let go again.
pub async fn rows_can_be_parked(ledger: &Ledger) {
    ledger.transact(&cx(), async |tx| tx.publish(message("k", "a")).await).await.expect("committed");
    let id = ledger.read_outbox(0, 1).await.expect("read")[0].id;
    for why in [Some("too large for the broker"), None] {
        let parked = ledger.transact(&cx(), async move |tx| tx.outbox_park(id, why).await).await;
        assert!(parked.expect("committed"));
        assert_eq!(ledger.read_outbox(0, 1).await.expect("read")[0].parked.as_deref(), why);
    }
    let parked = ledger.transact(&cx(), async |tx| tx.outbox_park(999_999, None).await).await;
    assert!(!parked.expect("committed"));
}

/// The caller's trace travels in the message, unless the message carries one already.
pub async fn a_message_carries_its_context(ledger: &Ledger) {
    let (own, other) = (cx(), cx());
    let given = message("k", "b").in_context(&other, ledger.clock());
    ledger
        .transact(&own, async move |tx| {
            tx.publish(message("k", "a")).await?;
            tx.publish(given.clone()).await
        })
        .await
        .expect("committed");
    let rows = ledger.read_outbox(0, 10).await.expect("read");
    let traces: Vec<_> =
        rows.iter().map(|row| row.message.context(ledger.clock()).trace().trace_id()).collect();
    assert_eq!(traces, [own.trace().trace_id(), other.trace().trace_id()]);
}

/// A message over its limits is refused, and with it the transaction that wanted to publish it.
pub async fn oversized_messages_are_refused(ledger: &Ledger) {
    let huge = Message::new("suite", vec![0; mamparo_broker::limits::PAYLOAD_BYTES_MAX + 1]);
    let refused = ledger.transact(&cx(), async move |tx| tx.publish(huge.clone()).await).await;
    assert!(matches!(refused, Err(Error::Publish(_))), "{refused:?}");
    assert!(ledger.read_outbox(0, 10).await.expect("read").is_empty());
}

/// Whoever watches the head learns of a new row.
pub async fn the_head_announces_the_outbox(ledger: &Ledger) {
    let mut head = ledger.head();
    let before = head.borrow_and_update().outbox;
    ledger.transact(&cx(), async |tx| tx.publish(message("k", "a")).await).await.expect("committed");
    let announced = head.wait_for(|head| head.outbox > before).await.expect("still open").outbox;
    assert_eq!(ledger.read_outbox(before, 10).await.expect("read")[0].id, announced);
}

async fn receive(ledger: &Ledger, consumer: &'static str, id: MessageId) -> Receipt {
    ledger.transact(&cx(), async move |tx| tx.receive(consumer, id).await).await.expect("committed")
}

/// A message is new to each consumer once.
pub async fn a_message_is_received_once_per_consumer(ledger: &Ledger) {
    let id = MessageId(Ids::system().next());
    assert_eq!(receive(ledger, "inventory", id).await, Receipt::First);
    assert_eq!(receive(ledger, "inventory", id).await, Receipt::Repeated);
    assert_eq!(receive(ledger, "payments", id).await, Receipt::First);
    assert_eq!(receive(ledger, "inventory", MessageId(Ids::system().next())).await, Receipt::First);
}

/// Of many receipts of one message at once exactly one is the first.
pub async fn concurrent_receipts_have_one_first(ledger: &Ledger) {
    let id = MessageId(Ids::system().next());
    let rivals: Vec<_> = (0..32)
        .map(|_| {
            let ledger = ledger.clone();
            tokio::spawn(async move { receive(&ledger, "inventory", id).await })
        })
        .collect();
    let mut first = 0;
    for rival in rivals {
        first += u32::from(rival.await.expect("no panic") == Receipt::First);
    }
    assert_eq!(first, 1);
}

/// A receipt whose transaction failed did not happen.
pub async fn a_receipt_is_undone_with_its_transaction(ledger: &Ledger) {
    let id = MessageId(Ids::system().next());
    let failed: Result<(), _> = ledger
        .transact(&cx(), async move |tx| {
            assert_eq!(tx.receive("inventory", id).await?, Receipt::First);
            Err(Error::app("handler failed"))
        })
        .await;
    failed.expect_err("refused");
    assert_eq!(receive(ledger, "inventory", id).await, Receipt::First);
}

/// Old receipts are forgotten in small steps, young ones stay.
pub async fn the_inbox_is_pruned_by_age(ledger: &Ledger) {
    let ids: Vec<_> = (0..5).map(|_| MessageId(Ids::system().next())).collect();
    for id in &ids {
        receive(ledger, "inventory", *id).await;
    }
    let prune = async |before, max| {
        ledger.transact(&cx(), async move |tx| tx.inbox_prune(before, max).await).await.expect("committed")
    };
    let now = ledger.clock().wall();
    assert_eq!(prune(now - Duration::from_secs(3600), 100).await, 0);
    assert_eq!(prune(now + Duration::from_secs(3600), 2).await, 2);
    assert_eq!(prune(now + Duration::from_secs(3600), 100).await, 3);
    assert_eq!(receive(ledger, "inventory", ids[0]).await, Receipt::First);
}
