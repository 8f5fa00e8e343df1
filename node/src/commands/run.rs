//! `mamparo run`: one or more roles in this process.

use std::path::PathBuf;

use mamparo_config::Role;

use super::load::{Source, file_or_default};
use crate::failure::{Failure, Outcome};
use crate::{logging, platform, supervise};

/// Most threads of the runtime beside the workers of the gateway and the writers of the ledgers.
const THREADS_MAX: usize = 4;

/// Run one or more roles in this process, without applications.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mamparo run --role hub --config mamparo.yaml\n  mamparo run --role gateway,hub"
)]
pub(crate) struct Args {
    /// The roles, divided by commas; default: those of the configuration.
    #[arg(long, value_name = "ROLE", value_delimiter = ',', value_parser = parse_role)]
    role: Vec<Role>,
    /// The configuration; default: ./mamparo.yaml, or the shop where there is none.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder, in place of the one in the configuration.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A file with the addresses of services that have none in the configuration, as `up` writes it.
    #[arg(long, value_name = "FILE")]
    addresses: Option<PathBuf>,
}

fn parse_role(text: &str) -> Result<Role, String> {
    let known = Role::ALL.map(Role::as_str).join(", ");
    Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or(format!("the roles are {known}"))
}

pub(crate) fn run(args: Args) -> Outcome {
    let mut config = Source::read(file_or_default(args.config).as_deref())?.check()?;
    if !args.role.is_empty() {
        config.roles = args.role.into_iter().collect();
    }
    logging::install(&config.log);
    let data = supervise::prepare(args.data.as_deref().unwrap_or(&config.data))?;
    let addresses = args.addresses.as_deref().map(supervise::read_addresses).transpose()?.unwrap_or_default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(Failure::other)?;
    runtime.block_on(platform::run(config, &data, &addresses))
}
