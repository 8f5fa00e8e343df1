//! Reads the whole shop through its API, page by page, for the invariants.

use serde::Deserialize;

use crate::invariants::{Charge, Order, Shelf, Wallet};
use crate::shop::{Shop, ShopError};

#[derive(Deserialize)]
struct OrderPage {
    orders: Vec<Order>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct WalletPage {
    #[serde(flatten)]
    wallet: Wallet,
    next: Option<u64>,
}

#[derive(Deserialize)]
struct ChargePage {
    charges: Vec<Charge>,
    next: Option<String>,
}

/// All orders of the shop.
///
/// # Errors
/// [`ShopError`].
pub async fn orders(shop: &Shop) -> Result<Vec<Order>, ShopError> {
    let (mut orders, mut after) = (Vec::new(), String::new());
    loop {
        let page: OrderPage = shop.get(&format!("/orders?limit=500&after={after}")).await?;
        orders.extend(page.orders);
        match page.next {
            Some(next) => after = next,
            None => return Ok(orders),
        }
    }
}

/// A wallet with all its movements.
///
/// # Errors
/// [`ShopError`]; that of an unknown customer is [`ShopError::Refused`].
pub async fn wallet(shop: &Shop, customer: &str) -> Result<Wallet, ShopError> {
    let page: WalletPage = shop.get(&format!("/wallets/{customer}?limit=1000")).await?;
    let (mut wallet, mut next) = (page.wallet, page.next);
    while let Some(after) = next {
        let page: WalletPage = shop.get(&format!("/wallets/{customer}?limit=1000&after={after}")).await?;
        wallet.movements.extend(page.wallet.movements);
        (wallet.balance, wallet.held) = (page.wallet.balance, page.wallet.held);
        next = page.next;
    }
    Ok(wallet)
}

/// The stock of a product.
///
/// # Errors
/// [`ShopError`].
pub async fn shelf(shop: &Shop, sku: &str) -> Result<Shelf, ShopError> {
    shop.get(&format!("/stock/{sku}")).await
}

/// All charges that the card provider remembers; it is asked itself, not through the shop.
///
/// # Errors
/// [`ShopError`].
pub async fn charges(provider: &Shop) -> Result<Vec<Charge>, ShopError> {
    let (mut charges, mut after) = (Vec::new(), String::new());
    loop {
        let page: ChargePage = provider.get(&format!("/charges?after={after}")).await?;
        charges.extend(page.charges);
        match page.next {
            Some(next) => after = next,
            None => return Ok(charges),
        }
    }
}
