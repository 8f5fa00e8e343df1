//! `mamparo topic`: how the logs and their consumer groups stand.

use serde_json::Value;

use super::ask::{Whom, block_on};
use crate::failure::Outcome;
use crate::output;

/// List logs with their consumer groups.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mamparo topic list\n  mamparo topic list --json")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Logs with what they hold, and how far each group is behind.
    List {
        #[command(flatten)]
        whom: Whom,
    },
}

pub(crate) fn run(args: Args) -> Outcome {
    let Verb::List { whom } = args.verb;
    block_on(async {
        let topics = whom.list("topics", "/topics").await?;
        if whom.json {
            output::json(&Value::from(topics));
            return Ok(());
        }
        let rows: Vec<Vec<String>> = topics.iter().flat_map(rows).collect();
        output::data(&output::table(&["name", "partitions", "records", "group", "behind"], &rows));
        Ok(())
    })
}

/// One row for the log, and one for each group that reads it.
fn rows(topic: &Value) -> Vec<Vec<String>> {
    let pairs = topic["partitions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ends: Vec<u64> = pairs.iter().map(|pair| pair[1].as_u64().unwrap_or(0)).collect();
    let records: u64 =
        pairs.iter().zip(&ends).map(|(pair, end)| end.saturating_sub(pair[0].as_u64().unwrap_or(0))).sum();
    let name = output::cell(topic, "name");
    let log = vec![name.clone(), pairs.len().to_string(), records.to_string(), "-".into(), "-".into()];
    let group = |group: &Value| {
        let offsets = group[1].as_array().map(Vec::as_slice).unwrap_or_default();
        let behind: u64 =
            offsets.iter().zip(&ends).map(|(next, end)| end.saturating_sub(next.as_u64().unwrap_or(0))).sum();
        let group = group[0].as_str().unwrap_or("-").to_owned();
        vec![name.clone(), "-".into(), "-".into(), group, behind.to_string()]
    };
    let groups = topic["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
    std::iter::once(log).chain(groups.iter().map(group)).collect()
}
