//! `mamparo timer`: what will happen by itself.

use mamparo_admin::encode;

use super::ask::{Page, Whom, block_on};
use crate::failure::Outcome;

/// List durable timers.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mamparo timer list\n  mamparo timer list --owner saga --service orders")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Timers by owner, the next first.
    List {
        /// Only those of this owner.
        #[arg(long, default_value = "")]
        owner: String,
        #[command(flatten)]
        page: Page,
        #[command(flatten)]
        whom: Whom,
    },
}

pub(crate) fn run(args: Args) -> Outcome {
    let Verb::List { owner, page, whom } = args.verb;
    block_on(async {
        let target = format!("/timers?limit={}&owner={}", page.limit, encode(&owner));
        let timers = whom.list("timers", &target).await?;
        whom.print(&timers, &["due", "owner", "key", "service"]);
        Ok(())
    })
}
