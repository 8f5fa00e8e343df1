//! What is sold and for how much. Money is a whole number of minor units: 12,500.00 ARS is 1250000.
//!
//! Products are read through a cache. Only this service writes them, and it says so to the cache once a price is
//! committed: whoever asks after that sees the new one. That entries end by themselves is for what somebody else does
//! to the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use mamparo_cache::{Builder, Cache, CacheMetrics, InvalidOptions, LoadError, Loaded, Loader, ReadThrough};
use mamparo_context::{Context, IdempotencyKey};
use mamparo_ledger::{Error, Ledger, ReadError, Result, Row, Tx, params};
use mamparo_shop_http::{Problem, Stored, remember, remembered};
use serde_json::{Value, json};

use crate::limits::{
    ABSENT_FOR, FRESH_FOR, FRESH_JITTER, LINES_MAX, PRODUCTS_KEPT, SKU_BYTES_MAX, STALE_FOR,
    STALE_IF_ERROR_FOR,
};
use crate::order::WantedLine;

/// The currency of all prices.
pub(crate) const CURRENCY: &str = "ARS";

/// A product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) price: i64,
}

/// Prices by sku; what is not sold is not in it.
pub(crate) type Prices = BTreeMap<String, i64>;

/// All products. Clones share everything.
#[derive(Clone)]
pub(crate) struct Catalogue {
    ledger: Ledger,
    products: ReadThrough<String, Arc<Product>, Shelf>,
    /// All of them by sku, as one entry.
    list: ReadThrough<(), Arc<[Product]>, Shelf>,
}

/// Where the products are.
#[derive(Clone)]
struct Shelf(Ledger);

impl Shelf {
    async fn all(&self) -> Result<Arc<[Product]>> {
        let rows = self.0.query("SELECT sku, name, price FROM product ORDER BY sku", &[]).await?;
        rows.iter().map(product).collect()
    }
}

impl Loader<String, Arc<Product>> for Shelf {
    type Error = Error;

    async fn load(&self, _: &Context, sku: &String) -> Result<Loaded<Arc<Product>>> {
        let sql = "SELECT sku, name, price FROM product WHERE sku = ?1";
        let rows = self.0.query(sql, params![sku]).await?;
        Ok(rows.first().map(product).transpose()?.map(Arc::new).into())
    }
}

impl Loader<(), Arc<[Product]>> for Shelf {
    type Error = Error;

    async fn load(&self, _: &Context, _: &()) -> Result<Loaded<Arc<[Product]>>> {
        Ok(Some(self.all().await?).into())
    }
}

impl Catalogue {
    /// What is sold according to `ledger`. It is read once, so that the first orders do not wait for it.
    pub(crate) async fn open(ledger: Ledger) -> Result<Self, OpenError> {
        let shelf = Shelf(ledger.clone());
        let products = lasting(Cache::builder("products"), &ledger).capacity(PRODUCTS_KEPT).build()?;
        let list = lasting(Cache::builder("product-list"), &ledger).capacity(1).build()?;
        let all = shelf.all().await.map_err(|error| ReadError::Unavailable(error.to_string()))?;
        for product in all.iter().take(PRODUCTS_KEPT as usize) {
            products.insert(product.sku.clone(), Arc::new(product.clone()));
        }
        list.insert((), all);
        let products = ReadThrough::new(products, shelf.clone());
        Ok(Self { ledger, products, list: ReadThrough::new(list, shelf) })
    }

    /// The product of this sku.
    pub(crate) async fn get(&self, cx: &Context, sku: &str) -> Result<Option<Arc<Product>>, LoadError> {
        if sku.len() > SKU_BYTES_MAX {
            return Ok(None);
        }
        self.products.get(cx, sku).await
    }

    /// All of them, by sku.
    pub(crate) async fn all(&self, cx: &Context) -> Result<Arc<[Product]>, LoadError> {
        Ok(self.list.get(cx, &()).await?.unwrap_or_default())
    }

    /// The prices of what is wanted, each looked up once: an order has one price for a sku, whatever is changed
    /// meanwhile. No more lines are looked at than an order may have.
    pub(crate) async fn prices(&self, cx: &Context, lines: &[WantedLine]) -> Result<Prices, LoadError> {
        let mut prices = Prices::new();
        for WantedLine { sku, .. } in lines.iter().take(LINES_MAX) {
            if !prices.contains_key(sku)
                && let Some(product) = self.get(cx, sku).await?
            {
                prices.insert(sku.clone(), product.price);
            }
        }
        Ok(prices)
    }

    /// Changes a price, with the key and its answer, in one transaction. Whoever asks once it is answered sees it.
    ///
    /// Not to be dropped before it has ended: what is committed after that would stay unknown to the cache until
    /// the old entry ends.
    pub(crate) async fn change_price(&self, change: Change, cx: &Context) -> Result<Stored, Problem> {
        let sku = change.sku.clone();
        let changed = self.ledger.transact(cx, async move |tx| change.apply(tx).await).await;
        // Whatever became of it, for it may have become something. A load that has read the old price is not stored.
        self.products.cache().invalidate(&sku);
        self.list.cache().invalidate(&());
        Ok(changed?)
    }

    /// Shows what the caches have done among the metrics of others.
    pub(crate) fn watch(&self, metrics: &mut CacheMetrics) {
        self.products.cache().watch(metrics);
        self.list.cache().watch(metrics);
    }
}

/// How long products are known.
fn lasting<K, V>(cache: Builder<K, V>, ledger: &Ledger) -> Builder<K, V>
where
    K: mamparo_cache::Key,
    V: mamparo_cache::Value,
{
    cache
        .clock(ledger.clock().clone())
        .time_to_live(FRESH_FOR)
        .jitter(FRESH_JITTER)
        .stale_while_revalidate(STALE_FOR)
        .stale_if_error(STALE_IF_ERROR_FOR)
        .negative(ABSENT_FOR)
}

/// Why there is no catalogue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Cache(#[from] InvalidOptions),
}

/// A price that is to be changed.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) sku: String,
    pub(crate) price: i64,
    pub(crate) key: IdempotencyKey,
    /// What another request must say to be the same.
    pub(crate) request: String,
}

impl Change {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Stored> {
        let Self { sku, price, key, request } = self;
        if let Some(stored) = remembered(tx, key, request).await? {
            return Ok(stored);
        }
        tx.sql("UPDATE product SET price = ?2 WHERE sku = ?1", params![sku, price]).await?;
        let sql = "SELECT sku, name, price FROM product WHERE sku = ?1";
        let Some(row) = tx.query_one(sql, params![sku]).await? else { return Err(unknown(sku).into()) };
        let answer = Stored { status: 200, location: None, body: product(&row)?.shown().to_string() };
        remember(tx, key, request, &answer).await?;
        Ok(answer)
    }
}

/// There is no such product.
pub(crate) fn unknown(sku: &str) -> Problem {
    Problem::not_found("unknown-sku", format!("there is no product {sku}")).with("sku", sku)
}

fn product(row: &Row) -> Result<Product> {
    Ok(Product { sku: row.get(0)?, name: row.get(1)?, price: row.get(2)? })
}

impl Product {
    /// As it is shown.
    pub(crate) fn shown(&self) -> Value {
        json!({"sku": self.sku, "name": self.name, "price": money(self.price)})
    }
}

/// Money as the shop writes it: minor units and a currency.
pub(crate) fn money(amount: i64) -> Value {
    json!({"amount": amount, "currency": CURRENCY})
}

#[cfg(test)]
mod tests;
