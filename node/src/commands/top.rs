//! `mamparo top`: what a gateway does just now.

mod report;
mod sample;
mod screen;
mod terminal;

use std::time::Duration;

use mamparo_admin::{CallError, Client};
use mamparo_context::{Clock, duration};
use report::Report;
use sample::Sample;
use serde_json::Value;
use terminal::Terminal;

use super::ask::{Whom, block_on};
use crate::failure::{Failure, Outcome};
use crate::output;

/// Rows of routes and of services where nobody's screen ends.
const ROWS: usize = 20;
/// How long nobody may answer, and between two tries.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// Show what a gateway does just now: requests, errors and latencies by route, connections, services, open breakers.
///
/// Rates and latencies are those of the last interval. `q` or ctrl-c ends it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mamparo top\n  mamparo top --once --json | jq '.routes[0]'")]
pub(crate) struct Args {
    /// Show one interval and end.
    #[arg(long)]
    once: bool,
    /// How long an interval is.
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = parse_interval)]
    interval: Duration,
    #[command(flatten)]
    whom: Whom,
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let least = Duration::from_millis(100);
    duration::parse(text)
        .filter(|span| *span >= least)
        .ok_or("a duration from 100ms on, such as 1s".to_owned())
}

pub(crate) fn run(args: Args) -> Outcome {
    block_on(async {
        let clients = args.whom.clients("gateway").await?;
        let [client] = clients.as_slice() else {
            return Err(Failure::other("more than one gateway runs there, name one with --service"));
        };
        let clock = Clock::system();
        let mut before = (sample(client).await?, clock.now());
        let mut terminal = match args.once || args.whom.json {
            true => None,
            false => Terminal::open(),
        };
        loop {
            let quits = match &mut terminal {
                Some(terminal) => terminal.quits_within(args.interval).await,
                None => {
                    tokio::time::sleep(args.interval).await;
                    false
                }
            };
            if quits {
                return Ok(());
            }
            let after = (sample(client).await?, clock.now());
            let took = after.1.saturating_duration_since(before.1);
            let report = Report::between(&before.0, &after.0, took);
            match &mut terminal {
                Some(terminal) => terminal.draw(|size| screen::text(&report, size, terminal::is_coloured())),
                None if args.whom.json && args.once => output::json(&report.to_json()),
                // One line for each interval, for whoever reads a stream.
                None if args.whom.json => output::data(&format!("{}\n", report.to_json())),
                None => output::data(&screen::text(&report, screen::Size::rows(ROWS), false)),
            }
            if args.once {
                return Ok(());
            }
            before = after;
        }
    })
}

/// The metrics as they stand now. While another process takes over, nobody answers for a moment.
async fn sample(client: &Client) -> Result<Sample, Failure> {
    let patient = async {
        loop {
            match client.get("/metrics").await {
                Err(CallError::NotRunning { .. } | CallError::Broken { .. }) => {
                    tokio::time::sleep(PAUSE).await
                }
                other => return other,
            }
        }
    };
    let answer = match tokio::time::timeout(PATIENCE, patient).await {
        Ok(answer) => answer?,
        Err(_) => client.get("/metrics").await?,
    };
    match answer {
        Value::String(text) => Ok(Sample::parse(&text)),
        _ => Err(Failure::other(format!("{} shows no metrics", client.service()))),
    }
}
