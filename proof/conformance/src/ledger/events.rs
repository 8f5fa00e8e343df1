//! Events: guarded by expected versions, ordered by position without gaps.

use mamparo_context::Ids;
use mamparo_ledger::{Error, Expected, Ledger, NewEvent, StreamName};

use super::{cx, event, stream};

async fn append(ledger: &Ledger, name: &str, expected: Expected, count: usize) -> Result<u64, Error> {
    let name = stream(name);
    ledger
        .transact(&cx(), async move |tx| {
            let events = vec![event("x"); count];
            tx.append(&name, expected, &events).await.map(|appended| appended.version)
        })
        .await
}

/// Every kind of expectation admits what it says and nothing else.
pub async fn expected_versions_guard_a_stream(ledger: &Ledger) {
    use Expected::{Any, Exists, NoStream, Version};
    let steps: [(Expected, Result<u64, u64>); 9] = [
        (Exists, Err(0)),
        (Version(1), Err(0)),
        (NoStream, Ok(1)),
        (NoStream, Err(1)),
        (Version(0), Err(1)),
        (Version(1), Ok(2)),
        (Exists, Ok(3)),
        (Any, Ok(4)),
        (Version(3), Err(4)),
    ];
    for (expected, outcome) in steps {
        match (append(ledger, "order-1", expected, 1).await, outcome) {
            (Ok(version), Ok(wanted)) => assert_eq!(version, wanted, "{expected}"),
            (Err(Error::VersionConflict { stream, expected: told, actual }), Err(wanted)) => {
                assert_eq!((stream, told, actual), (StreamName::new("order-1"), expected, wanted));
            }
            (got, _) => panic!("{expected}: {got:?}"),
        }
    }
}

/// Of many appends that expect the same version exactly one succeeds.
pub async fn concurrent_appends_conflict_once(ledger: &Ledger) {
    for round in 0..10 {
        let rivals: Vec<_> = (0..16)
            .map(|_| {
                let ledger = ledger.clone();
                tokio::spawn(async move { append(&ledger, "contested", Expected::Version(round), 1).await })
            })
            .collect();
        let mut won = 0;
        for rival in rivals {
            match rival.await.expect("no panic") {
                Ok(_) => won += 1,
                Err(Error::VersionConflict { actual, .. }) => assert_eq!(actual, round + 1),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(won, 1);
    }
}

/// Positions are dense and in commit order, also where units of work fail between others.
pub async fn positions_have_no_gaps(ledger: &Ledger) {
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                for number in 0..25_usize {
                    // Every fifth is refused after it had taken positions.
                    let refuse = number % 5 == 0;
                    let _ = ledger
                        .transact(&cx(), async move |tx| {
                            let name = stream(&format!("s-{writer}"));
                            tx.append(&name, Expected::Any, &vec![event("x"); 1 + number % 3]).await?;
                            if refuse { Err(Error::app("refused")) } else { Ok(()) }
                        })
                        .await;
                }
            })
        })
        .collect();
    let mut seen = 0;
    let mut is_over = false;
    loop {
        let page = ledger.read_all(seen, 64).await.expect("read");
        for event in &page {
            seen += 1;
            assert_eq!(event.position, seen, "a position was skipped or came twice");
        }
        if page.is_empty() && is_over {
            break;
        }
        is_over = writers.iter().all(tokio::task::JoinHandle::is_finished);
        tokio::task::yield_now().await;
    }
    assert_eq!(seen, ledger.head().borrow().position);
}

/// An append that is refused takes no position and no version.
pub async fn a_refused_append_moves_nothing(ledger: &Ledger) {
    append(ledger, "a-1", Expected::Any, 2).await.expect("appended");
    append(ledger, "a-1", Expected::NoStream, 3).await.expect_err("refused");
    assert_eq!(append(ledger, "a-1", Expected::Version(2), 1).await.expect("appended"), 3);
    assert_eq!(ledger.head().borrow().position, 3);
}

/// A stream is read from any version, in pages.
pub async fn streams_are_read_in_pages(ledger: &Ledger) {
    append(ledger, "a-1", Expected::Any, 10).await.expect("appended");
    append(ledger, "b-1", Expected::Any, 1).await.expect("appended");
    let versions = async |from, max| {
        let page = ledger.read_stream(&stream("a-1"), from, max).await.expect("read");
        page.iter().map(|event| event.version).collect::<Vec<_>>()
    };
    assert_eq!(versions(1, 4).await, [1, 2, 3, 4]);
    assert_eq!(versions(9, 4).await, [9, 10]);
    assert_eq!(versions(11, 4).await, [] as [u64; 0]);
    assert!(ledger.read_stream(&stream("never"), 1, 4).await.expect("read").is_empty());
}

/// A tail hands out every event once and in order, those there and those to come.
pub async fn a_tail_sees_every_event_once(ledger: &Ledger) {
    append(ledger, "a-1", Expected::Any, 5).await.expect("appended");
    let writer = {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                append(&ledger, "a-1", Expected::Any, 1).await.expect("appended");
            }
        })
    };
    let mut tail = ledger.tail(2);
    let mut next = 3;
    while next <= 25 {
        for event in tail.next(4).await.expect("read") {
            assert_eq!(event.position, next);
            next += 1;
        }
    }
    writer.await.expect("no panic");
}

/// An event comes back with everything it was given, bytes of any kind included.
pub async fn events_keep_all_they_were_given(ledger: &Ledger) {
    let id = Ids::system().next();
    let data: Vec<u8> = (0..=255).collect();
    let given = NewEvent::new("Éxito", data.clone()).id(id).metadata("causation", "mate");
    ledger
        .transact(&cx(), async move |tx| {
            tx.append(&stream("a-ñandú"), Expected::NoStream, std::slice::from_ref(&given)).await
        })
        .await
        .expect("appended");
    let read = ledger.read_all(0, 1).await.expect("read").remove(0);
    assert_eq!((read.position, read.version, read.id), (1, 1, id));
    assert_eq!((read.stream.as_str(), &*read.kind), ("a-ñandú", "Éxito"));
    assert_eq!(read.data, data);
    assert_eq!(read.metadata(), [("causation".to_owned(), "mate".to_owned())]);
}

/// An event, or a stream's name, over its limit is refused.
pub async fn oversized_events_are_refused(ledger: &Ledger) {
    let refused = async |name: String, event: NewEvent| {
        let refused = ledger
            .transact(&cx(), async move |tx| {
                tx.append(&stream(&name), Expected::Any, std::slice::from_ref(&event)).await
            })
            .await;
        assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    };
    refused("a".repeat(256), event("x")).await;
    refused("a".into(), NewEvent::new("x", vec![0; 1024 * 1024 + 1])).await;
    refused("a".into(), NewEvent::new(&"k".repeat(201), "x")).await;
}

/// An append of no events still checks the version, and adds nothing.
pub async fn an_empty_append_checks_and_adds_nothing(ledger: &Ledger) {
    assert_eq!(append(ledger, "a-1", Expected::NoStream, 0).await.expect("checked"), 0);
    append(ledger, "a-1", Expected::Exists, 0).await.expect_err("nothing was added");
    assert_eq!(ledger.head().borrow().position, 0);
}
