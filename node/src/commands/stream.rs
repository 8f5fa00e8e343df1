//! `mamparo stream`: the history of things.

use mamparo_admin::encode;

use super::ask::{Page, Whom, block_on};
use crate::failure::Outcome;

/// List streams and show their events.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mamparo stream list --prefix wallet-\n  mamparo stream show wallet-ana --json"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Streams, the youngest first.
    List {
        /// Only those whose names begin so.
        #[arg(long, default_value = "")]
        prefix: String,
        #[command(flatten)]
        page: Page,
        #[command(flatten)]
        whom: Whom,
    },
    /// The events of one stream.
    Show {
        /// Its name.
        stream: String,
        /// From this version on.
        #[arg(long, default_value_t = 1)]
        from: u64,
        #[command(flatten)]
        page: Page,
        #[command(flatten)]
        whom: Whom,
    },
}

const PART: &str = "streams";

pub(crate) fn run(args: Args) -> Outcome {
    block_on(async {
        match args.verb {
            Verb::List { prefix, page, whom } => {
                let target = format!("/streams?limit={}&prefix={}", page.limit, encode(&prefix));
                let streams = whom.list(PART, &target).await?;
                whom.print(&streams, &["stream", "version", "service"]);
            }
            Verb::Show { stream, from, page, whom } => {
                let target = format!("/streams/{}?limit={}&from={from}", encode(&stream), page.limit);
                let events = whom.get(PART, &target).await?;
                let events = events.as_array().cloned().unwrap_or_default();
                whom.print(&events, &["version", "at", "kind", "data"]);
            }
        }
        Ok(())
    })
}
