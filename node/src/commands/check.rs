//! `mamparo check`: everything that is wrong with a configuration.

use std::path::PathBuf;

use serde_json::json;

use super::load::Source;
use crate::failure::{Failure, Outcome};
use crate::{output, platform};

/// Check a configuration and show everything that is wrong with it, each with line, column and a suggestion.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mamparo check mamparo.yaml\n  mamparo check - --json < mamparo.yaml")]
pub(crate) struct Args {
    /// The configuration; `-` reads standard input.
    file: PathBuf,
    /// Print the problems as a JSON array.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let source = Source::read(Some(&args.file))?;
    if !args.json {
        let config = source.check()?;
        platform::check(&config)?;
        let counts = [
            (config.gateway.routes.len(), "routes"),
            (config.services.len(), "services"),
            (config.topics.len(), "topics"),
            (config.applications.len(), "applications"),
        ];
        let counts: Vec<String> = counts.iter().map(|(count, what)| format!("{count} {what}")).collect();
        output::data(&format!("{} is sound: {}\n", source.name, counts.join(", ")));
        return Ok(());
    }
    let problems = mamparo_config::check(&source.text, &source.name).err().unwrap_or_default();
    output::json(&json!(problems));
    if problems.is_empty() { Ok(()) } else { Err(Failure::config(&source.name, problems.len())) }
}
