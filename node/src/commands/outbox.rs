//! `mamparo outbox`: messages that were published and wait for a broker.

use serde_json::Value;

use super::ask::{Page, Whom, block_on};
use crate::failure::Outcome;
use crate::output;

/// Show what waits in the outboxes; let go what was parked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mamparo outbox status\n  mamparo outbox release 4711 --service orders")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// How every outbox and its relay stand.
    Status {
        #[command(flatten)]
        whom: Whom,
    },
    /// Messages that no broker accepted yet.
    List {
        #[command(flatten)]
        page: Page,
        #[command(flatten)]
        whom: Whom,
    },
    /// Let a parked message go again.
    Release {
        /// Its number in the outbox.
        id: u64,
        #[command(flatten)]
        whom: Whom,
    },
}

const PART: &str = "outbox";

pub(crate) fn run(args: Args) -> Outcome {
    block_on(async {
        match args.verb {
            Verb::Status { whom } => {
                let outboxes = whom.list(PART, "/outbox/status").await?;
                if whom.json {
                    output::json(&Value::from(outboxes));
                } else {
                    status(&outboxes);
                }
            }
            Verb::List { page, whom } => {
                let rows = whom.list(PART, &format!("/outbox?limit={}", page.limit)).await?;
                whom.print(&rows, &["id", "at", "topic", "key", "bytes", "parked", "service"]);
            }
            Verb::Release { id, whom } => {
                let answer = whom.post(PART, &format!("/outbox/{id}/release"), &Value::Null).await?;
                whom.done(&answer, &format!("message {id} is sent again"));
            }
        }
        Ok(())
    })
}

fn status(outboxes: &[Value]) {
    let row = |outbox: &Value| {
        let more = if outbox["more"] == true { "+" } else { "" };
        let relay = |field| output::cell(&outbox["relay"], field);
        vec![
            output::cell(outbox, "service"),
            format!("{}{more}", output::cell(outbox, "unsent")),
            output::cell(outbox, "parked"),
            output::cell(outbox, "oldest"),
            relay("sent"),
            relay("failures"),
            relay("last_error"),
        ]
    };
    let rows: Vec<Vec<String>> = outboxes.iter().map(row).collect();
    let heads = ["service", "unsent", "parked", "oldest", "sent", "failures", "last error"];
    output::data(&output::table(&heads, &rows));
}
