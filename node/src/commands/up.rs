//! `mamparo up`: everything on this machine.

use std::path::PathBuf;

use super::load::{Source, file_or_default};
use crate::failure::{Failure, Outcome};
use crate::supervise;

/// Start everything on this machine and keep it running.
///
/// Starts the platform node (gateway, hub, admin) and every application of the configuration as children, starts
/// again who ends, and stops all of them in order on SIGINT or SIGTERM; a second signal kills. Data stays in the
/// data folder, and the next `up` continues with it. Routes, services and the level of the log follow the file while
/// everything runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mamparo up\n  mamparo up deploy/mamparo.yaml --data /var/lib/mamparo")]
pub(crate) struct Args {
    /// The configuration; default: ./mamparo.yaml, or the shop where there is none.
    file: Option<PathBuf>,
    /// The data folder, in place of the one in the configuration.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Do not look whether the file changes.
    #[arg(long)]
    no_watch: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    let file = file_or_default(args.file);
    let source = Source::read(file.as_deref())?;
    let mut config = source.check()?;
    if let Some(data) = args.data {
        config.data = data;
    }
    // On the main thread: a child that a thread starts is told of the end of that thread.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::other)?;
    let followed = file.filter(|file| !args.no_watch && file.as_os_str() != "-");
    runtime.block_on(supervise::run(&config, &source.text, followed.as_deref()))
}
