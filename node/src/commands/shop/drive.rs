//! `mamparo shop drive`: places orders, and checks that none is lost and that money and stock are conserved.

use std::path::PathBuf;

use mamparo_shop_drive::Options;
use serde_json::json;

use crate::exit_code;
use crate::failure::{Failure, Outcome};
use crate::{output, supervise};

/// Place orders, follow each to its end, and check that money and stock are conserved to the unit.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mamparo shop drive --orders 2000 --concurrency 64\n  mamparo shop drive --orders 6000 --rate 200 --seed 7 --json"
)]
pub(super) struct Args {
    /// How many orders.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    orders: u64,
    /// How many of them at the same time.
    #[arg(long, value_name = "COUNT", default_value_t = 64)]
    concurrency: usize,
    /// Orders per second; as many as it takes when nothing is said.
    #[arg(long, value_name = "COUNT")]
    rate: Option<f64>,
    /// The same seed makes the same plan.
    #[arg(long)]
    seed: Option<u64>,
    /// The gateway of the shop.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    base: String,
    /// The card provider itself, to check its charges too; default: the one of the running `mamparo up`.
    #[arg(long, value_name = "URL")]
    provider: Option<String>,
    /// The data folder of the running `mamparo up`, to find the card provider.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "./.mamparo",
        env = "MAMPARO_DATA_FOLDER",
        hide_env_values = true
    )]
    data: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Outcome {
    let provider = args.provider.or_else(|| {
        // Without the file of a supervisor its charges are not checked, and the report says so.
        let addresses = supervise::read_addresses(&args.data.join("run/addresses.json")).ok()?;
        addresses.get("provider").map(|address| format!("http://{address}"))
    });
    let options = Options {
        base: args.base,
        provider,
        orders: args.orders,
        concurrency: args.concurrency,
        rate: args.rate,
        seed: args.seed,
        progress: !args.json,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let report = runtime.map_err(Failure::other)?.block_on(mamparo_shop_drive::drive(options));
    let report = report.map_err(Failure::other)?;
    if args.json {
        output::json(&json!(report));
    } else {
        output::data(&format!("{report}\n"));
    }
    if report.holds() {
        return Ok(());
    }
    let message = "orders did not end as they had to, or something that must be true is not".into();
    Err(Failure { page: None, exit: exit_code::FAILURE, message, remedy: None })
}
