//! `mamparo dead-letter`: messages that were given up and wait for a person.

use mamparo_admin::encode;
use serde_json::Value;

use super::ask::{Page, Whom, block_on};
use crate::failure::Outcome;
use crate::output;

/// List and show dead letters; put them back into their queue, or forget them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mamparo dead-letter list --queue payments.commands\n  mamparo dead-letter show 17\n  mamparo dead-letter redrive 17"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Dead letters, oldest first.
    List {
        /// Only those of this queue.
        #[arg(long, default_value = "")]
        queue: String,
        #[command(flatten)]
        page: Page,
        #[command(flatten)]
        whom: Whom,
    },
    /// One dead letter with its payload and its error.
    Show {
        /// Its number.
        id: u64,
        #[command(flatten)]
        whom: Whom,
    },
    /// Put a dead letter back into its queue, as a fresh message under the same id.
    Redrive {
        /// Its number.
        id: u64,
        #[command(flatten)]
        whom: Whom,
    },
    /// Forget a dead letter for good.
    Discard {
        /// Its number.
        id: u64,
        #[command(flatten)]
        whom: Whom,
    },
}

const PART: &str = "queues";

pub(crate) fn run(args: Args) -> Outcome {
    block_on(async {
        match args.verb {
            Verb::List { queue, page, whom } => {
                let target = format!("/dead-letters?limit={}&queue={}", page.limit, encode(&queue));
                let letters = whom.list(PART, &target).await?;
                whom.print(&letters, &["sequence", "queue", "key", "attempts", "dead_since", "error"]);
            }
            Verb::Show { id, whom } => {
                let letter = whom.get(PART, &format!("/dead-letters/{id}")).await?;
                if whom.json { output::json(&letter) } else { output::data(&page(&letter)) }
            }
            Verb::Redrive { id, whom } => {
                let answer = whom.post(PART, &format!("/dead-letters/{id}/redrive"), &Value::Null).await?;
                whom.done(&answer, &format!("dead letter {id} is back in its queue"));
            }
            Verb::Discard { id, whom } => {
                let answer = whom.post(PART, &format!("/dead-letters/{id}/discard"), &Value::Null).await?;
                whom.done(&answer, &format!("dead letter {id} is forgotten"));
            }
        }
        Ok(())
    })
}

fn page(letter: &Value) -> String {
    let fields = ["sequence", "queue", "id", "key", "attempts", "dead_since", "error", "headers", "payload"];
    fields.iter().map(|field| format!("{field:<11} {}\n", output::cell(letter, field))).collect()
}
