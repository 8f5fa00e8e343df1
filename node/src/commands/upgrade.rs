//! `mamparo upgrade`: another program takes over from a running node.

use std::path::PathBuf;
use std::time::Duration;

use mamparo_admin::{CallError, Client};
use serde_json::{Value, json};

use super::ask::{Whom, block_on};
use crate::failure::{Failure, Outcome};

/// Between two looks at how it stands.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Looks without news until it is given up. That the new program is starting is news: the running one bounds that.
const LOOKS_MAX: u32 = 600;

/// Let another program take over from a running node without losing a request.
///
/// The new program gets the listening sockets of the running one. When it is ready, the running one takes no
/// connections any more, finishes what is under way and ends; when it does not get ready, it is killed and the running
/// one serves on.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mamparo upgrade\n  mamparo upgrade --program /opt/mamparo-2/mamparo --data /var/lib/mamparo"
)]
pub(crate) struct Args {
    /// The new program; default: what lies now where the running one lay when it was started.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    #[command(flatten)]
    whom: Whom,
}

pub(crate) fn run(args: Args) -> Outcome {
    block_on(async {
        let clients = args.whom.clients("node").await?;
        let [client] = clients.as_slice() else {
            return Err(Failure::other("more than one node runs there, name one with --service"));
        };
        let before = client.get("/").await?["pid"].clone();
        let program = args.program.map(std::path::absolute).transpose().map_err(Failure::other)?;
        match client.post("/upgrade", &json!({ "program": program })).await {
            Ok(_) => {}
            Err(CallError::Refused { detail, .. }) => return Err(Failure::no_upgrade(detail)),
            Err(error) => return Err(error.into()),
        }
        let after = taken_over(client, &before).await?;
        let line = format!("process {after} has taken over from process {before}");
        args.whom.done(&json!({ "from": before, "to": after }), &line);
        Ok(())
    })
}

/// Waits until another process answers than `before`: which one.
async fn taken_over(client: &Client, before: &Value) -> Result<Value, Failure> {
    let mut looks_left = LOOKS_MAX;
    while looks_left > 0 {
        looks_left -= 1;
        match client.get("/").await {
            Ok(about) if about["pid"] != *before => return Ok(about["pid"].clone()),
            Ok(_) => {}
            // The one has closed its socket, and the other has not opened its own yet.
            Err(CallError::NotRunning { .. } | CallError::Broken { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if let Ok(state) = client.get("/upgrade").await {
            match state["state"].as_str() {
                Some("failed") => {
                    let why = state["why"].as_str().unwrap_or("nobody knows why");
                    return Err(Failure::no_upgrade(format!("the new program did not get ready: {why}")));
                }
                Some("starting") => looks_left = LOOKS_MAX,
                _ => {}
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(Failure::other("nobody says what became of the upgrade"))
}
