//! Products are read once, outlive the failure of the ledger, and change at once when a price does.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mamparo_context::{Clock, Random};
use mamparo_ledger_sqlite::Options;

use super::*;

async fn opened(options: Options) -> Catalogue {
    let ledger = options.open().unwrap();
    ledger.migrate(mamparo_shop_http::MIGRATIONS).await.unwrap();
    ledger.migrate(crate::schema::MIGRATIONS).await.unwrap();
    Catalogue::open(ledger).await.unwrap()
}

fn options(folder: &Path) -> Options {
    Options::new(folder.join("orders.db"))
}

fn change(sku: &str, price: i64, key: &str) -> Change {
    Change { sku: sku.into(), price, key: key.parse().unwrap(), request: format!("{sku} {price}") }
}

async fn statement(catalogue: &Catalogue, sql: &'static str) {
    let work = async move |tx: &mut Tx<'_>| tx.sql(sql, &[]).await;
    catalogue.ledger.transact(&Context::root(), work).await.unwrap();
}

async fn price(catalogue: &Catalogue, sku: &str) -> Option<i64> {
    catalogue.get(&Context::root(), sku).await.unwrap().map(|product| product.price)
}

#[tokio::test]
async fn products_are_read_once_and_what_is_not_sold_is_asked_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = opened(options(folder.path())).await;
    let cx = Context::root();
    for _ in 0..10 {
        assert_eq!(price(&catalogue, "mate").await, Some(1_250_000));
        assert_eq!(price(&catalogue, "matte").await, None);
        assert_eq!(price(&catalogue, &"x".repeat(SKU_BYTES_MAX + 1)).await, None);
        assert_eq!(catalogue.all(&cx).await.unwrap().len(), 4);
    }
    let metrics = catalogue.products.cache().metrics();
    assert_eq!((metrics.hits, metrics.misses, metrics.loads), (19, 1, 1), "{metrics:?}");
    let metrics = catalogue.list.cache().metrics();
    assert_eq!((metrics.hits, metrics.loads), (10, 0), "{metrics:?}");
    catalogue.ledger.close().await;
}

#[tokio::test]
async fn a_price_that_was_changed_is_seen_at_once_and_a_repeated_change_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = opened(options(folder.path())).await;
    let cx = Context::root();
    let first = catalogue.change_price(change("mate", 7, "a"), &cx).await.unwrap();
    assert_eq!(first.status, 200);
    assert_eq!(price(&catalogue, "mate").await, Some(7));
    let all = catalogue.all(&cx).await.unwrap();
    assert!(all.iter().any(|product| product.sku == "mate" && product.price == 7));
    catalogue.change_price(change("mate", 8, "b"), &cx).await.unwrap();
    assert_eq!(catalogue.change_price(change("mate", 7, "a"), &cx).await.unwrap(), first);
    assert_eq!(price(&catalogue, "mate").await, Some(8));
    let unknown = catalogue.change_price(change("matte", 7, "c"), &cx).await.unwrap_err();
    assert_eq!((unknown.status().as_u16(), unknown.code()), (404, "unknown-sku"));
    catalogue.ledger.close().await;
}

#[tokio::test]
async fn what_is_known_outlives_a_ledger_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, manual) = Clock::manual();
    let catalogue = opened(options(folder.path()).clock(clock, Random::seeded(1))).await;
    statement(&catalogue, "ALTER TABLE product RENAME TO away").await;
    manual.advance(FRESH_FOR + STALE_FOR + Duration::from_secs(1));
    assert_eq!(price(&catalogue, "mate").await, Some(1_250_000));
    assert_eq!(catalogue.all(&Context::root()).await.unwrap().len(), 4);
    assert!(catalogue.get(&Context::root(), "matte").await.is_err(), "nothing is known of it");
    assert_eq!(catalogue.products.cache().metrics().failures, 2);

    statement(&catalogue, "ALTER TABLE away RENAME TO product").await;
    statement(&catalogue, "UPDATE product SET price = 5 WHERE sku = 'mate'").await;
    manual.advance(STALE_IF_ERROR_FOR);
    assert_eq!(price(&catalogue, "mate").await, Some(5), "also what somebody else has changed, in the end");
    catalogue.ledger.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_after_a_change_was_answered_never_sees_the_price_before_it() {
    const CHANGES: i64 = 300;
    let folder = tempfile::tempdir().unwrap();
    let catalogue = opened(options(folder.path())).await;
    let answered = Arc::new(AtomicI64::new(0));
    // Prices only rise here; the one of the first start is higher than all of them.
    catalogue.change_price(change("mate", 1, "1"), &Context::root()).await.unwrap();
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (catalogue, answered) = (catalogue.clone(), Arc::clone(&answered));
            tokio::spawn(async move {
                loop {
                    let least = answered.load(Ordering::SeqCst);
                    let seen = price(&catalogue, "mate").await.unwrap();
                    assert!(seen >= least, "{seen} after {least} was answered");
                    if least == CHANGES {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for amount in 2..=CHANGES {
        let change = change("mate", amount, &amount.to_string());
        catalogue.change_price(change, &Context::root()).await.unwrap();
        answered.store(amount, Ordering::SeqCst);
    }
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(catalogue.products.cache().metrics().loads > CHANGES as u64 / 10);
    catalogue.ledger.close().await;
}

#[tokio::test]
async fn an_order_has_one_price_for_a_sku() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = opened(options(folder.path())).await;
    let line = |sku: &str| WantedLine { sku: sku.into(), quantity: 1 };
    let lines = [line("mate"), line("matte"), line("thermos"), line("mate")];
    let prices = catalogue.prices(&Context::root(), &lines).await.unwrap();
    let expected = [("mate".to_owned(), 1_250_000), ("thermos".to_owned(), 4_500_000)];
    assert_eq!(prices, Prices::from(expected));
    assert_eq!(catalogue.products.cache().metrics().hits, 2);
    let many: Vec<_> = (0..LINES_MAX + 50).map(|number| line(&number.to_string())).collect();
    assert!(catalogue.prices(&Context::root(), &many).await.unwrap().is_empty());
    assert_eq!(catalogue.products.cache().metrics().loads, 1 + LINES_MAX as u64);
    catalogue.ledger.close().await;
}
