//! `mamparo saga`: what is under way, and what a person may do about it.

use mamparo_admin::encode;
use serde_json::{Value, json};

use super::ask::{Page, Whom, block_on};
use crate::failure::{Failure, Outcome};
use crate::output;

/// List and show sagas; cancel, resume or skip what is stuck.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mamparo saga list --status parked\n  mamparo saga show place-order-0198f3a2\n  mamparo saga cancel place-order-0198f3a2 --reason 'the customer called'"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Sagas, in the order of their ids.
    List {
        /// Only those of this status, such as running, compensating, parked, completed or cancelled.
        #[arg(long)]
        status: Option<String>,
        /// Only those behind this id: the last one of the page before.
        #[arg(long, value_name = "ID", default_value = "")]
        after: String,
        #[command(flatten)]
        page: Page,
        #[command(flatten)]
        whom: Whom,
    },
    /// One saga: its steps and its story.
    Show {
        /// Its id.
        id: String,
        #[command(flatten)]
        whom: Whom,
    },
    /// Ask for a saga to be undone; refused once its pivot has succeeded.
    Cancel {
        /// Its id.
        id: String,
        /// Why, for its story.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        whom: Whom,
    },
    /// Try again what a parked saga is stuck at.
    Resume {
        /// Its id.
        id: String,
        #[command(flatten)]
        whom: Whom,
    },
    /// Go on behind what a parked saga is stuck at, which was done by hand.
    Skip {
        /// Its id.
        id: String,
        /// What was done, for its story.
        #[arg(long)]
        reason: String,
        /// What stands in for the answer of the step, as JSON.
        #[arg(long, value_name = "JSON", default_value = "null")]
        output: String,
        #[command(flatten)]
        whom: Whom,
    },
}

const PART: &str = "sagas";

pub(crate) fn run(args: Args) -> Outcome {
    block_on(async {
        match args.verb {
            Verb::List { status, after, page, whom } => {
                let status = status.map(|status| format!("&status={}", encode(&status))).unwrap_or_default();
                let sagas = whom
                    .list(PART, &format!("/sagas?limit={}&after={}{status}", page.limit, encode(&after)))
                    .await?;
                whom.print(&sagas, &["id", "definition", "status", "step", "updated", "service"]);
            }
            Verb::Show { id, whom } => {
                let saga = whom.get(PART, &format!("/sagas/{}", encode(&id))).await?;
                if whom.json { output::json(&saga) } else { output::data(&story(&saga)) }
            }
            Verb::Cancel { id, reason, whom } => {
                let target = format!("/sagas/{}/cancel", encode(&id));
                let answer = whom.post(PART, &target, &json!({ "reason": reason })).await?;
                whom.done(&answer, &format!("{id} is asked to turn back"));
            }
            Verb::Resume { id, whom } => {
                let answer = whom.post(PART, &format!("/sagas/{}/resume", encode(&id)), &Value::Null).await?;
                whom.done(&answer, &format!("{id} goes on"));
            }
            Verb::Skip { id, reason, output, whom } => {
                let output: Value = serde_json::from_str(&output)
                    .map_err(|error| Failure::other(format!("--output is not JSON: {error}")))?;
                let body = json!({ "reason": reason, "output": output });
                let answer = whom.post(PART, &format!("/sagas/{}/skip", encode(&id)), &body).await?;
                whom.done(&answer, &format!("{id} goes on behind it"));
            }
        }
        Ok(())
    })
}

/// A saga for a person: what it is, its steps, its story.
fn story(saga: &Value) -> String {
    let mut text = String::new();
    for field in ["id", "definition", "version", "status", "reason", "started", "updated"] {
        if !saga[field].is_null() {
            text.push_str(&format!("{field:<11} {}\n", output::cell(saga, field)));
        }
    }
    let table = |list: &str, fields: &[&str]| {
        let rows: Vec<Vec<String>> = saga[list]
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| fields.iter().map(|field| output::cell(row, field)).collect())
            .collect();
        if rows.is_empty() { String::new() } else { format!("\n{}", output::table(fields, &rows)) }
    };
    text.push_str(&table("steps", &["step", "status", "attempt"]));
    text.push_str(&table("history", &["at", "what", "step", "attempt", "note"]));
    text.push_str(&table("timers", &["timer", "due"]));
    text
}
