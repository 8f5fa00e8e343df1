//! The HTTP face of the wallets: look at one, put money in.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use http::Uri;
use mamparo_aggregate::Repository;
use mamparo_ledger::{Error, Ledger, Tx};
use mamparo_projection::Handle;
use mamparo_shop_http::{
    Command, Path, Problem, Stored, query, remember, remembered, unknown_method, unknown_path,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::limits::{CUSTOMER_BYTES_MAX, MONEY_MAX, MOVEMENTS, READ_YOUR_WRITE_WITHIN, is_customer};
use crate::view::{self, money};
use crate::wallet::{WalletCommand, WalletRefusal, Wallets};

/// The routes of this service, as `/openapi.json` of the shop describes them.
pub const ROUTES: &[(&str, &str)] =
    &[("GET", "/wallets/{customer}"), ("POST", "/wallets/{customer}/deposits")];

/// What the routes need.
#[derive(Clone)]
pub(crate) struct Face {
    pub(crate) ledger: Ledger,
    pub(crate) wallets: Repository<Wallets>,
    pub(crate) view: Handle,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deposit {
    amount: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    after: u64,
    #[serde(default = "movements")]
    limit: u32,
}

fn movements() -> u32 {
    MOVEMENTS
}

/// The routes.
pub(crate) fn router(face: Face) -> Router {
    Router::new()
        .route("/wallets/{customer}", get(look))
        .route("/wallets/{customer}/deposits", post(deposit))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .with_state(face)
}

/// Waits for everything that was written before it was asked, so that whoever made a deposit sees it.
async fn look(
    State(face): State<Face>,
    Path(customer): Path<String>,
    uri: Uri,
) -> Result<axum::Json<Value>, Problem> {
    let page: Page = query(&uri)?;
    let written = face.ledger.head().borrow().position;
    face.view.wait_for(written, READ_YOUR_WRITE_WITHIN).await.map_err(|late| {
        tracing::warn!(%late, "wallet not shown");
        Problem::unavailable("not-yet", "the wallets are being brought up to date", READ_YOUR_WRITE_WITHIN)
    })?;
    let wallet = view::wallet(&face.ledger, &customer, page.after, page.limit).await?;
    wallet.map(axum::Json).ok_or_else(|| {
        Problem::not_found("unknown-customer", format!("{customer} has no wallet")).with("customer", customer)
    })
}

async fn deposit(
    State(face): State<Face>,
    Path(customer): Path<String>,
    command: Command,
) -> Result<Stored, Problem> {
    let (deposit, request) = command.parse::<Deposit>()?;
    if !is_customer(&customer) {
        let detail = format!("a customer is 1 to {CUSTOMER_BYTES_MAX} letters, digits, `-`, `_` and `.`");
        return Err(Problem::impossible("customer-malformed", detail));
    }
    let amount = deposit.amount;
    if !(1..=MONEY_MAX).contains(&amount) {
        let detail = format!("an amount is from 1 to {MONEY_MAX} minor units");
        return Err(Problem::impossible("amount-out-of-range", detail).with("amount", amount));
    }
    let (key, wallets) = (command.key, face.wallets);
    let work = async move |tx: &mut Tx<'_>| {
        if let Some(stored) = remembered(tx, &key, &request).await? {
            return Ok(stored);
        }
        let put = WalletCommand::Deposit { customer: customer.clone(), amount };
        let executed = wallets.execute(tx, &customer, &put).await.map_err(refused)?;
        let body = json!({
            "customer": customer,
            "deposited": money(amount),
            "balance": money(executed.state.balance),
        });
        let location = Some(format!("/wallets/{customer}"));
        let answer = Stored { status: 201, location, body: body.to_string() };
        remember(tx, &key, &request, &answer).await?;
        Ok(answer)
    };
    Ok(face.ledger.transact(&command.cx, work).await?)
}

fn refused(error: Error) -> Error {
    match error.app_as::<WalletRefusal>() {
        Some(refusal) => Problem::impossible("amount-out-of-range", refusal.to_string()).into(),
        None => error,
    }
}
