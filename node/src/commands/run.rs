//! `mamparo run`: one or more roles in this process.

use std::path::PathBuf;

use mamparo_config::Role;

use super::load::{Source, file_or_default};
use crate::failure::{Failure, Outcome};
use crate::platform::Followed;
use crate::{logging, platform, supervise};

/// Most threads of the runtime beside the workers of the gateway and the writers of the ledgers.
const THREADS_MAX: usize = 4;

/// Run one or more roles in this process, without applications.
///
/// The configuration is read again on SIGHUP and when its file changes: what is good of it is put in force without
/// losing a request, what is wrong is refused part by part. SIGUSR2 and `mamparo upgrade` let the program take over
/// that lies in its place now. Sockets that systemd passes on are used for the `listeners` with their addresses.
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
    /// Follow this file in place of the configuration: what changes in it is put in force.
    #[arg(long, value_name = "FILE")]
    watch: Option<PathBuf>,
    /// Do not look whether the file changes; SIGHUP still reads it again.
    #[arg(long, conflicts_with = "watch")]
    no_watch: bool,
    /// A file with the addresses of services that have none in the configuration, as `up` writes it.
    #[arg(long, value_name = "FILE")]
    addresses: Option<PathBuf>,
}

fn parse_role(text: &str) -> Result<Role, String> {
    let known = Role::ALL.map(Role::as_str).join(", ");
    Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or(format!("the roles are {known}"))
}

pub(crate) fn run(args: Args) -> Outcome {
    let file = file_or_default(args.config);
    let source = Source::read(file.as_deref())?;
    let in_force = source.first()?;
    let mut config = in_force.config().clone();
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
    let piped = file.as_deref().is_some_and(|file| file.as_os_str() == "-");
    let file = args.watch.or(file).filter(|file| file.as_os_str() != "-");
    let followed = Followed { in_force, text: source.text, file, watch: !args.no_watch, piped };
    runtime.block_on(platform::run(config, followed, &data, addresses))
}
