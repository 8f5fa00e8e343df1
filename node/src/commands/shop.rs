//! `mamparo shop`: the reference system, each of its services in a process of its own, and who drives it.

mod drive;
mod services;

use crate::failure::Outcome;

/// Run a service of the shop, or drive orders through it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mamparo up                                            start the whole shop\n  mamparo shop drive --orders 2000 --concurrency 64     place orders and check that nothing is lost\n  mamparo shop orders --data ./orders --listen 127.0.0.1:7001"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, clap::Subcommand)]
enum Part {
    /// Run the service that owns catalogue, prices and orders.
    Orders(services::Args),
    /// Run the service that owns wallets and payments.
    Payments(services::Args),
    /// Run the service that owns the stock.
    Inventory(services::Args),
    /// Run the simulated card provider.
    Provider(services::Args),
    Drive(drive::Args),
}

pub(crate) fn run(args: Args) -> Outcome {
    match args.part {
        Part::Orders(args) => services::run(args, "orders", services::orders),
        Part::Payments(args) => services::run(args, "payments", services::payments),
        Part::Inventory(args) => services::run(args, "inventory", services::inventory),
        Part::Provider(args) => services::run(args, "provider", services::provider),
        Part::Drive(args) => drive::run(args),
    }
}
