//! Places the orders of a plan, many at the same time, and follows each of them to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use mamparo_context::{Clock, Ids, Random};
use mamparo_shop_http::InvalidBase;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::invariants::{
    Finding, Money, Order, all_final, charges_conserved, money_conserved, stock_conserved,
};
use crate::limits::{AUDITS_MAX, CONCURRENCY_MAX, FINAL_WITHIN, ORDERS_MAX};
use crate::plan::{Fate, Plan, Planned, SCARCE};
use crate::report::{Report, Split, Times};
use crate::shop::{Shop, ShopError};
use crate::{audit, progress};

/// How to drive.
#[derive(Clone, Debug)]
pub struct Options {
    /// The shop, such as `http://127.0.0.1:8080`.
    pub base: String,
    /// The card provider itself, if its charges shall be checked too.
    pub provider: Option<String>,
    /// How many orders.
    pub orders: u64,
    /// How many of them at the same time.
    pub concurrency: usize,
    /// Orders per second; as many as it takes when nothing is said.
    pub rate: Option<f64>,
    /// The same seed makes the same plan.
    pub seed: Option<u64>,
    /// Whether a bar is shown, if there is a terminal.
    pub progress: bool,
}

impl Options {
    /// This many orders for the shop at `base`, 64 at the same time.
    pub fn new(base: &str, orders: u64) -> Self {
        let (base, provider) = (base.to_owned(), None);
        Self { base, provider, orders, concurrency: 64, rate: None, seed: None, progress: true }
    }
}

/// Why a drive could not be made; that orders end wrongly is no such thing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriveError {
    /// The base URL is none.
    #[error(transparent)]
    Base(#[from] InvalidBase),
    /// What the drive needs could not be prepared, or not be checked afterwards.
    #[error(transparent)]
    Shop(#[from] ShopError),
    /// An option is out of range.
    #[error("{what} must be {range}")]
    OutOfRange {
        /// Which.
        what: &'static str,
        /// What it may be.
        range: String,
    },
}

#[derive(Deserialize)]
struct ProductList {
    products: Vec<Product>,
}

#[derive(Deserialize)]
struct Product {
    sku: String,
    price: Money,
}

#[derive(Deserialize)]
struct Accepted {
    id: String,
}

/// How one order went.
struct Driven {
    accepted: Option<Duration>,
    ended: Result<(Order, Duration), String>,
}

/// Drives orders through the shop and checks it afterwards.
///
/// # Errors
/// [`DriveError`]: the drive could not be made or checked.
pub async fn drive(options: Options) -> Result<Report, DriveError> {
    check(&options)?;
    let shop = Shop::new(&options.base)?;
    let seed = options.seed.unwrap_or_else(|| Random::system().next_u64());
    let run = Ids::system().next().simple().to_string();
    let name = format!("drive-{run}");
    let products: ProductList = shop.get("/products").await?;
    let prices: BTreeMap<String, i64> =
        products.products.into_iter().map(|product| (product.sku, product.price.amount)).collect();
    let scarce = audit::shelf(&shop, SCARCE).await?.on_hand;
    let plan = Plan::new(&name, options.orders, &prices, scarce, &Random::seeded(seed));
    provide(&shop, &plan, &name).await?;
    let (clock, bar) = (Clock::system(), progress::bar(options.orders, options.progress));
    let began = clock.now();
    let driven = place(&shop, &plan, &name, &options, &bar).await;
    let took = clock.now().duration_since(began);
    bar.finish_and_clear();
    let mut report = sum(&plan, driven, took, seed);
    report.repeated = shop.repeated();
    report.invariants = inspect(&shop, &plan, &prices, options.provider.as_deref()).await?;
    Ok(report)
}

fn check(options: &Options) -> Result<(), DriveError> {
    let wrong = |what, range: String| Err(DriveError::OutOfRange { what, range });
    if !(1..=ORDERS_MAX).contains(&options.orders) {
        return wrong("the number of orders", format!("from 1 to {ORDERS_MAX}"));
    }
    if !(1..=CONCURRENCY_MAX).contains(&options.concurrency) {
        return wrong("the concurrency", format!("from 1 to {CONCURRENCY_MAX}"));
    }
    if options.rate.is_some_and(|rate| !(rate > 0.0 && rate <= 1_000_000.0)) {
        return wrong("the rate", "more than zero and at most a million".into());
    }
    Ok(())
}

/// Makes the money and the stock that the plan needs.
async fn provide(shop: &Shop, plan: &Plan, name: &str) -> Result<(), ShopError> {
    for (customer, amount) in &plan.deposits {
        let (path, key) = (format!("/wallets/{customer}/deposits"), format!("{name}-deposit-{customer}"));
        let _: Value = shop.post(&path, &key, &json!({"amount": amount})).await?;
    }
    for (sku, quantity) in &plan.deliveries {
        // A delivery has a largest quantity.
        for (part, start) in (0..*quantity).step_by(1_000_000).enumerate() {
            let (path, key) = (format!("/stock/{sku}/deliveries"), format!("{name}-delivery-{sku}-{part}"));
            let quantity = (quantity - start).min(1_000_000);
            let _: Value = shop.post(&path, &key, &json!({"quantity": quantity})).await?;
        }
    }
    Ok(())
}

async fn place(
    shop: &Shop,
    plan: &Plan,
    name: &str,
    options: &Options,
    bar: &ProgressBar,
) -> Vec<(usize, Driven)> {
    let clock = Clock::system();
    let (room, began) = (Arc::new(Semaphore::new(options.concurrency)), clock.now());
    let mut under_way = JoinSet::new();
    let mut driven = Vec::with_capacity(plan.orders.len());
    for (number, order) in plan.orders.iter().enumerate() {
        let planned = options.rate.map(|rate| began + Duration::from_secs_f64(number as f64 / rate));
        if let Some(planned) = planned {
            tokio::time::sleep(planned.saturating_duration_since(clock.now())).await;
        }
        let permit = Arc::clone(&room).acquire_owned().await;
        let (shop, clock, order, key) =
            (shop.clone(), clock.clone(), order.clone(), format!("{name}-{number}"));
        let bar = bar.clone();
        under_way.spawn(async move {
            // An order that had to wait for its turn has been waiting since it was due.
            let since = planned.unwrap_or_else(|| clock.now());
            let one = follow(&shop, &order, &key, &clock, since).await;
            bar.inc(1);
            drop(permit);
            (number, one)
        });
        while let Some(Ok(done)) = under_way.try_join_next() {
            driven.push(done);
        }
    }
    while let Some(done) = under_way.join_next().await {
        driven.extend(done.ok());
    }
    driven
}

async fn follow(shop: &Shop, order: &Planned, key: &str, clock: &Clock, since: std::time::Instant) -> Driven {
    let lines: Vec<Value> =
        order.lines.iter().map(|(sku, quantity)| json!({"sku": sku, "quantity": quantity})).collect();
    let body = json!({"customer": order.customer, "lines": lines});
    let accepted: Accepted = match shop.post("/orders", key, &body).await {
        Ok(accepted) => accepted,
        Err(error) => return Driven { accepted: None, ended: Err(error.to_string()) },
    };
    let took = clock.now().duration_since(since);
    let path = format!("/orders/{}?wait=10s", accepted.id);
    loop {
        let ended = match shop.get::<Order>(&path).await {
            Ok(order) if order.status == "PENDING" => {
                if clock.now().duration_since(since) < FINAL_WITHIN {
                    continue;
                }
                Err(format!("{} is PENDING after {FINAL_WITHIN:?}", order.id))
            }
            Ok(order) => Ok((order, clock.now().duration_since(since))),
            Err(error) => Err(error.to_string()),
        };
        return Driven { accepted: Some(took), ended };
    }
}

fn sum(plan: &Plan, driven: Vec<(usize, Driven)>, took: Duration, seed: u64) -> Report {
    let (mut accept, mut complete) = (Vec::new(), Vec::new());
    let (mut got, mut reasons, mut failed) = (Split::default(), BTreeMap::new(), Vec::new());
    let (mut accepted, mut confirmed, mut cancelled) = (0, 0, 0);
    for (number, one) in driven {
        if let Some(took) = one.accepted {
            accepted += 1;
            accept.push(took);
        }
        match one.ended {
            Ok((order, took)) => {
                complete.push(took);
                let reason = order.reason.unwrap_or_default();
                if order.status == "CONFIRMED" {
                    confirmed += 1;
                    got.confirmed += 1;
                } else {
                    cancelled += 1;
                    got.no_money += u64::from(reason == "not enough money");
                    got.no_stock += u64::from(reason == format!("no stock of {SCARCE}"));
                    *reasons.entry(reason).or_insert(0) += 1;
                }
            }
            Err(why) => failed.push(format!("order {number}: {why}")),
        }
    }
    let expected = Split {
        confirmed: plan.count(Fate::Confirmed),
        no_money: plan.count(Fate::NoMoney),
        no_stock: plan.count(Fate::NoStock),
    };
    let seconds = took.as_secs_f64();
    Report {
        seed,
        orders: plan.orders.len() as u64,
        accepted,
        confirmed,
        cancelled,
        failed,
        repeated: 0,
        seconds,
        per_second: if seconds > 0.0 { (confirmed + cancelled) as f64 / seconds } else { 0.0 },
        accept: Times::of(accept),
        complete: Times::of(complete),
        expected,
        got,
        reasons,
        invariants: Vec::new(),
    }
}

/// Checks the whole; a few times when something does not hold, for others may be moving it meanwhile.
async fn inspect(
    shop: &Shop,
    plan: &Plan,
    prices: &BTreeMap<String, i64>,
    provider: Option<&str>,
) -> Result<Vec<Finding>, DriveError> {
    let provider = provider.map(Shop::new).transpose()?;
    let mut findings = Vec::new();
    for _ in 0..AUDITS_MAX {
        findings.clear();
        let mut shelves = Vec::new();
        for sku in prices.keys() {
            shelves.push(audit::shelf(shop, sku).await?);
        }
        let orders = audit::orders(shop).await?;
        let mut wallets = Vec::new();
        for customer in plan.deposits.keys() {
            wallets.push(audit::wallet(shop, customer).await?);
        }
        let is_own = |order: &&Order| plan.deposits.contains_key(&order.customer);
        let own: Vec<Order> = orders.iter().filter(is_own).cloned().collect();
        findings.extend([
            all_final(&own),
            money_conserved(&wallets, &own),
            stock_conserved(&shelves, &orders),
        ]);
        if let Some(provider) = &provider {
            findings.push(charges_conserved(&audit::charges(provider).await?, &orders));
        }
        if findings.iter().all(|finding| finding.holds) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(findings)
}
