//! `mamparo queue`: how the queues stand.

use super::ask::{Whom, block_on};
use crate::failure::Outcome;

/// List queues.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mamparo queue list\n  mamparo queue list --json")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Queues with what they hold.
    List {
        #[command(flatten)]
        whom: Whom,
    },
}

pub(crate) fn run(args: Args) -> Outcome {
    let Verb::List { whom } = args.verb;
    block_on(async {
        let queues = whom.list("queues", "/queues").await?;
        whom.print(&queues, &["name", "ready", "delayed", "leased", "dead"]);
        Ok(())
    })
}
