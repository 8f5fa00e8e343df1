//! What is sold and for how much. Money is a whole number of minor units: 12,500.00 ARS is 1250000.

use std::collections::BTreeMap;

use mamparo_ledger::{Error, Ledger, ReadError, Result, Row};
use serde_json::{Value, json};

/// The currency of all prices.
pub(crate) const CURRENCY: &str = "ARS";

/// A product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) price: i64,
}

/// All products by sku. It does not change while the service runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalogue(BTreeMap<String, Product>);

impl Catalogue {
    /// These products.
    pub(crate) fn new(products: impl IntoIterator<Item = Product>) -> Self {
        Self(products.into_iter().map(|product| (product.sku.clone(), product)).collect())
    }

    /// Reads the products.
    pub(crate) async fn read(ledger: &Ledger) -> Result<Self, ReadError> {
        let rows = ledger.query("SELECT sku, name, price FROM product ORDER BY sku", &[]).await?;
        let product = |row: &Row| Ok(Product { sku: row.get(0)?, name: row.get(1)?, price: row.get(2)? });
        let products: Result<Vec<Product>> = rows.iter().map(product).collect();
        products.map(Self::new).map_err(|error: Error| ReadError::Unavailable(error.to_string()))
    }

    /// The product of this sku.
    pub(crate) fn get(&self, sku: &str) -> Option<&Product> {
        self.0.get(sku)
    }

    /// All of them, by sku.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Product> {
        self.0.values()
    }
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
