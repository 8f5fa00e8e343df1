//! Questions to the running processes of a data folder: which there are, who has what, who knows an id.

use std::path::PathBuf;

use mamparo_admin::{CallError, Client, find};
use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::output;

/// Whom to ask, and how to answer.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Whom {
    /// The data folder of the running processes.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "./.mamparo",
        env = "MAMPARO_DATA_FOLDER",
        hide_env_values = true
    )]
    pub(crate) data: PathBuf,
    /// Only this process, by the name of its folder.
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A page of a list.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Page {
    /// Most entries from each process.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
}

/// Runs a question to its end.
pub(crate) fn block_on(question: impl Future<Output = Outcome>) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::other)?;
    runtime.block_on(question)
}

impl Whom {
    /// The running processes that have `part`. Sockets on which nobody answers any more are passed over.
    pub(crate) async fn clients(&self, part: &str) -> Result<Vec<Client>, Failure> {
        let found = match find(&self.data) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                return Err(Failure::other(format!("cannot read {}: {error}", self.data.display())));
            }
        };
        let mut clients = Vec::new();
        let wanted =
            found.into_iter().filter(|one| self.service.as_ref().is_none_or(|name| *name == one.service));
        for client in wanted.map(Client::new) {
            let about = match client.get("/").await {
                Ok(about) => about,
                Err(CallError::NotRunning { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let parts = about["parts"].as_array().into_iter().flatten();
            if parts.into_iter().any(|one| one.as_str() == Some(part)) {
                clients.push(client);
            }
        }
        if clients.is_empty() { Err(Failure::not_running(&self.data, part)) } else { Ok(clients) }
    }

    /// The lists of all processes that have `part`, in one, with the name of the process in each entry.
    pub(crate) async fn list(&self, part: &str, target: &str) -> Result<Vec<Value>, Failure> {
        let mut all = Vec::new();
        for client in self.clients(part).await? {
            let mut answer = client.get(target).await?;
            let entries = answer.as_array_mut().map(std::mem::take).unwrap_or_else(|| vec![answer]);
            all.extend(entries.into_iter().map(|mut entry| {
                if let Some(object) = entry.as_object_mut() {
                    object.insert("service".into(), client.service().into());
                }
                entry
            }));
        }
        Ok(all)
    }

    /// The first answer of a process that knows what `target` names.
    pub(crate) async fn get(&self, part: &str, target: &str) -> Result<Value, Failure> {
        let mut last = None;
        for client in self.clients(part).await? {
            match client.get(target).await {
                Err(error @ CallError::Refused { .. }) if is_not_found(&error) => last = Some(error),
                other => return Ok(other?),
            }
        }
        Err(last.map_or_else(|| Failure::not_running(&self.data, part), Failure::from))
    }

    /// Has the process do it that knows what `target` names.
    pub(crate) async fn post(&self, part: &str, target: &str, body: &Value) -> Result<Value, Failure> {
        let mut last = None;
        for client in self.clients(part).await? {
            match client.post(target, body).await {
                Err(error @ CallError::Refused { .. }) if is_not_found(&error) => last = Some(error),
                other => return Ok(other?),
            }
        }
        Err(last.map_or_else(|| Failure::not_running(&self.data, part), Failure::from))
    }

    /// Prints a list: as JSON, or as a table of these fields.
    pub(crate) fn print(&self, entries: &[Value], fields: &[&str]) {
        if self.json {
            output::json(&Value::from(entries));
            return;
        }
        let rows: Vec<Vec<String>> = entries
            .iter()
            .map(|entry| fields.iter().map(|field| output::cell(entry, field)).collect())
            .collect();
        output::data(&output::table(fields, &rows));
        if entries.is_empty() {
            output::talk("(none)");
        }
    }

    /// Prints what was done: as JSON, or as one line.
    pub(crate) fn done(&self, answer: &Value, line: &str) {
        if self.json {
            output::json(answer);
        } else {
            output::data(&format!("{line}\n"));
        }
    }
}

fn is_not_found(error: &CallError) -> bool {
    matches!(error, CallError::Refused { status, .. } if *status == http::StatusCode::NOT_FOUND)
}
