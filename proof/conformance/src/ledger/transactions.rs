//! One transaction: all or nothing, answered only when it is committed.

use std::time::Duration;

use mamparo_ledger::{Error, Expected, Ledger, Migration, Migrations, OpenError, ReadError, params};

use super::{STOCK, cx, event, message, on_hand, stream, with_stock};

/// What was answered with `Ok` is there for everybody.
pub async fn an_answer_is_committed(ledger: &Ledger) {
    with_stock(ledger, "mate", 5).await;
    let left = ledger
        .transact(&cx(), async |tx| {
            tx.sql("UPDATE stock SET on_hand = on_hand - ?1 WHERE sku = ?2", params![2, "mate"]).await?;
            tx.append(&stream("order-1"), Expected::NoStream, &[event("placed")]).await?;
            tx.publish(message("order-1", "placed")).await?;
            Ok(3)
        })
        .await;
    assert_eq!(left.expect("committed"), 3);
    assert_eq!(on_hand(ledger, "mate").await, 3);
    assert_eq!(ledger.read_stream(&stream("order-1"), 1, 10).await.expect("read").len(), 1);
    assert_eq!(ledger.read_outbox(0, 10).await.expect("read").len(), 1);
}

/// What was answered with an error left nothing: no row, event, message, receipt, timer or checkpoint.
pub async fn an_error_leaves_no_trace(ledger: &Ledger) {
    with_stock(ledger, "mate", 5).await;
    let before = *ledger.head().borrow();
    let refused: Result<(), _> = ledger
        .transact(&cx(), async |tx| {
            tx.sql("UPDATE stock SET on_hand = 0 WHERE sku = ?1", params!["mate"]).await?;
            tx.append(&stream("order-1"), Expected::Any, &[event("placed")]).await?;
            let id = tx.publish(message("order-1", "placed")).await?;
            tx.receive("suite", id).await?;
            tx.set_checkpoint("suite", 9).await?;
            Err(Error::app("changed my mind"))
        })
        .await;
    assert!(refused.is_err());
    assert_eq!(on_hand(ledger, "mate").await, 5);
    assert!(ledger.read_all(0, 10).await.expect("read").is_empty());
    assert!(ledger.read_outbox(0, 10).await.expect("read").is_empty());
    let checkpoint = ledger.transact(&cx(), async |tx| tx.checkpoint("suite").await).await;
    assert_eq!(checkpoint.expect("read"), 0);
    let after = *ledger.head().borrow();
    assert_eq!((after.position, after.outbox), (before.position, before.outbox));
}

/// The application's own error comes back as the type that it was.
pub async fn an_own_error_comes_back(ledger: &Ledger) {
    let refused: Result<(), _> =
        ledger.transact(&cx(), async |_tx| Err(Error::app(std::io::Error::other("no stock")))).await;
    let error = refused.expect_err("refused");
    assert_eq!(error.app_as::<std::io::Error>().expect("of its type").to_string(), "no stock");
}

/// An error that the unit of work handles does not undo what was done before it.
pub async fn a_handled_error_keeps_what_was_done_before(ledger: &Ledger) {
    with_stock(ledger, "mate", 5).await;
    let done = ledger
        .transact(&cx(), async |tx| {
            tx.sql("UPDATE stock SET on_hand = 4 WHERE sku = ?1", params!["mate"]).await?;
            let twice = tx.sql("INSERT INTO stock (sku, on_hand) VALUES (?1, 1)", params!["mate"]).await;
            assert!(matches!(twice, Err(Error::Constraint { .. })), "{twice:?}");
            Ok(())
        })
        .await;
    done.expect("committed");
    assert_eq!(on_hand(ledger, "mate").await, 4);
}

/// A panic undoes its own unit of work and is answered as an error; the ledger goes on.
pub async fn a_panic_is_rolled_back_and_answered(ledger: &Ledger) {
    with_stock(ledger, "mate", 5).await;
    let panicked: Result<(), _> = ledger
        .transact(&cx(), async |tx| {
            tx.sql("UPDATE stock SET on_hand = 0 WHERE sku = ?1", params!["mate"]).await?;
            panic!("as the suite wants it");
        })
        .await;
    let error = panicked.expect_err("a panic is an error");
    assert!(matches!(&error, Error::Panicked(why) if why == "as the suite wants it"), "{error}");
    assert_eq!(on_hand(ledger, "mate").await, 5);
}

/// Of many units of work at once those that fail do not harm those that do not.
pub async fn a_neighbour_does_not_suffer(ledger: &Ledger) {
    with_stock(ledger, "mate", 100).await;
    let mut units = Vec::new();
    for number in 0..100_u32 {
        let ledger = ledger.clone();
        units.push(tokio::spawn(async move {
            ledger
                .transact(&cx(), async move |tx| {
                    tx.sql("UPDATE stock SET on_hand = on_hand - 1 WHERE sku = ?1", params!["mate"]).await?;
                    tx.append(&stream(&format!("order-{number}")), Expected::NoStream, &[event("x")]).await?;
                    match number % 4 {
                        0 => Err(Error::app("refused")),
                        1 => panic!("as the suite wants it"),
                        _ => Ok(()),
                    }
                })
                .await
                .is_ok()
        }));
    }
    let mut succeeded = 0;
    for unit in units {
        succeeded += i64::from(unit.await.expect("the caller does not panic"));
    }
    assert_eq!(succeeded, 50);
    assert_eq!(on_hand(ledger, "mate").await, 100 - succeeded);
    let events = ledger.read_all(0, 1000).await.expect("read");
    assert_eq!(events.len(), 50);
}

/// A unit of work whose deadline has passed is not begun.
pub async fn a_passed_deadline_is_refused(ledger: &Ledger) {
    let late = cx().with_timeout(ledger.clock(), Duration::ZERO);
    let refused = ledger
        .transact(&late, async |tx| tx.append(&stream("late"), Expected::Any, &[event("x")]).await)
        .await;
    assert!(matches!(refused, Err(Error::DeadlinePassed)), "{refused:?}");
    assert!(ledger.read_all(0, 10).await.expect("read").is_empty());
}

/// A unit of work cannot end the transaction that it shares with others.
pub async fn transactions_cannot_be_ended_from_within(ledger: &Ledger) {
    for sql in ["COMMIT", "/* sly */ ROLLBACK", "SAVEPOINT mine", "RELEASE unit"] {
        let refused = ledger.transact(&cx(), async move |tx| tx.sql(sql, &[]).await).await;
        assert!(matches!(refused, Err(Error::Sql { .. })), "{sql}: {refused:?}");
    }
}

/// A statement that is wrong is named in the error.
pub async fn wrong_statements_are_named(ledger: &Ledger) {
    let refused = ledger.transact(&cx(), async |tx| tx.sql("UPDATE nowhere SET a = 1", &[]).await).await;
    assert!(matches!(&refused, Err(Error::Sql { sql, .. }) if sql.contains("nowhere")), "{refused:?}");
    let refused = ledger.query("SELECT * FROM nowhere", &[]).await;
    assert!(matches!(&refused, Err(ReadError::Sql { sql, .. }) if sql.contains("nowhere")), "{refused:?}");
    with_stock(ledger, "mate", 1).await;
    let sql = "UPDATE stock SET on_hand = ?1 WHERE sku = ?2";
    let refused = ledger.transact(&cx(), async move |tx| tx.sql(sql, params![1]).await).await;
    assert!(matches!(refused, Err(Error::Sql { .. })), "{refused:?}");
}

/// A broken rule of the database is told from a wrong statement.
pub async fn constraints_are_told_from_wrong_statements(ledger: &Ledger) {
    with_stock(ledger, "mate", 5).await;
    let sql = "UPDATE stock SET on_hand = on_hand - 6 WHERE sku = 'mate'";
    let refused = ledger.transact(&cx(), async move |tx| tx.sql(sql, &[]).await).await;
    assert!(matches!(refused, Err(Error::Constraint { .. })), "{refused:?}");
    assert_eq!(on_hand(ledger, "mate").await, 5);
}

/// A unit of work reads what it wrote itself.
pub async fn a_unit_sees_what_it_did(ledger: &Ledger) {
    with_stock(ledger, "mate", 5).await;
    let (rows, events) = ledger
        .transact(&cx(), async |tx| {
            tx.sql("UPDATE stock SET on_hand = 7", &[]).await?;
            tx.append(&stream("order-1"), Expected::NoStream, &[event("a"), event("b")]).await?;
            let row = tx.query_one("SELECT on_hand FROM stock", &[]).await?;
            let events = tx.read_stream(&stream("order-1"), 2, 10).await?;
            Ok((row.map(|row| row.get::<i64>(0)), events.len()))
        })
        .await
        .expect("committed");
    assert_eq!((rows.expect("a row").expect("a number"), events), (7, 1));
}

/// A reader never sees what is not committed.
pub async fn readers_see_only_what_is_committed(ledger: &Ledger) {
    with_stock(ledger, "mate", 0).await;
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    // Two changes that are only ever visible together.
                    let sql = "UPDATE stock SET on_hand = on_hand + 1";
                    let twice = async move |tx: &mut mamparo_ledger::Tx<'_>| {
                        tx.sql(sql, &[]).await?;
                        tx.sql(sql, &[]).await
                    };
                    ledger.transact(&cx(), twice).await.expect("committed");
                }
            })
        })
        .collect();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        assert_eq!(on_hand(ledger, "mate").await % 2, 0);
    }
    assert_eq!(on_hand(ledger, "mate").await, 320);
}

/// A query outside a transaction cannot write.
pub async fn reads_cannot_write(ledger: &Ledger) {
    with_stock(ledger, "mate", 5).await;
    for sql in ["PRAGMA query_only = OFF", "BEGIN", "UPDATE stock SET on_hand = 1 RETURNING on_hand"] {
        let refused = ledger.query(sql, &[]).await;
        assert!(matches!(refused, Err(ReadError::Sql { .. })), "{sql}: {refused:?}");
    }
    assert_eq!(on_hand(ledger, "mate").await, 5);
}

/// An answer of more rows than a query may have is refused, inside a transaction and outside.
pub async fn long_answers_are_refused(ledger: &Ledger) {
    let rows = mamparo_ledger::limits::ROWS_MAX + 1;
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i FROM n"
    );
    let refused = ledger.query(&sql, &[]).await;
    assert!(matches!(refused, Err(ReadError::TooManyRows { .. })), "{refused:?}");
    let refused =
        ledger.transact(&cx(), async move |tx| tx.query(&sql, &[]).await.map(|rows| rows.len())).await;
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
}

/// A migration runs once; a schema that is newer than the program is refused and left alone.
pub async fn migrations_run_once_and_newer_ones_are_refused(ledger: &Ledger) {
    with_stock(ledger, "mate", 5).await;
    ledger.migrate(STOCK).await.expect("nothing to do");
    assert_eq!(on_hand(ledger, "mate").await, 5);
    const MORE: Migrations = Migrations {
        steps: &[STOCK.steps[0], Migration { name: "note", sql: "ALTER TABLE stock ADD COLUMN note TEXT" }],
        ..STOCK
    };
    ledger.migrate(MORE).await.expect("an older schema is brought up to date");
    ledger.query("SELECT note FROM stock", &[]).await.expect("the column is there");
    let refused = ledger.migrate(STOCK).await;
    assert!(matches!(refused, Err(OpenError::Newer { found: 2, known: 1, .. })), "{refused:?}");
}

/// A migration that fails changes nothing.
pub async fn a_failed_migration_changes_nothing(ledger: &Ledger) {
    let broken = Migrations {
        component: "broken",
        steps: &[
            Migration { name: "good", sql: "CREATE TABLE good (a INTEGER)" },
            Migration { name: "bad", sql: "CREATE TABLE bad (a INTEGER); CREATE GARBAGE" },
        ],
    };
    let failed = ledger.migrate(broken).await;
    assert!(matches!(failed, Err(OpenError::Migration { version: 2, .. })), "{failed:?}");
    assert!(ledger.query("SELECT * FROM good", &[]).await.is_err());
}

/// After it was closed a ledger refuses everything, and says why.
pub async fn a_closed_ledger_says_so(ledger: &Ledger) {
    ledger.transact(&cx(), async |tx| tx.set_checkpoint("a", 1).await).await.expect("committed");
    ledger.close().await;
    let refused = ledger.transact(&cx(), async |tx| tx.set_checkpoint("a", 2).await).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    ledger.close().await;
}
