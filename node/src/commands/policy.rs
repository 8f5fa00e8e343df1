//! `mamparo policy`: what a stack of policies is, and what it would have done with a trace of calls.

mod band;
mod file;
mod plot;
mod progress;
mod text;
mod trace;

use std::path::PathBuf;
use std::time::Duration;

use file::StackFile;
use mamparo_context::duration;
use mamparo_policy::limits::{REPLAY_CAPACITY_MAX, REPLAY_LAYERS_MAX};
use mamparo_policy::replay::{self, Options};
use progress::Progress;
use serde_json::json;
use trace::Source;

use crate::failure::{Failure, Outcome};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  mamparo policy check cards.yaml
  mamparo policy describe cards.yaml
  mamparo policy replay gen:rate=200/s,for=60s,outage=20s..35s --stack cards.yaml";

const REPLAY_EXAMPLES: &str = "\
Examples:
  mamparo policy replay gen:outage=20s..35s:hang --stack cards.yaml --plot outage.svg
  mamparo policy replay gen:rate=100/s,outage=0s..1h --stack cards.yaml --layers 3
  mamparo policy replay yesterday.jsonl --stack cards.yaml --capacity 50 --json

A recorded TRACE has one call on each line; only `at` and `outcome` must be there:
  {\"at\":\"12ms\",\"took\":\"8ms\",\"outcome\":\"ok\",\"key\":\"order-7\",\"class\":\"critical\",\"principal\":\"ana\"}
  {\"at\":\"14ms\",\"took\":\"1ms\",\"outcome\":\"busy\",\"retry_after\":\"2s\"}
The outcome is ok, failed, unavailable, busy or lost.

A generated TRACE is `gen:` and settings with commas between them:
  rate=200/s  for=60s  arrivals=random|even  surge=20s..22s:x3     when calls come
  keyed=80%  sheddable=30%  principals=10  deadline=2s  seed=7     what they carry
  latency=20ms±50%  tail=1%:500ms  capacity=50                     how fast the dependency is
  errors=2%  lost=1%  busy=5%:2s                                   how well it is
  outage=20s..35s[:down|:hang|:slow=2s|:errors=50%|:busy=2s]       when it is not";

/// Check or describe a stack of policies, and replay a trace of calls through it on virtual time.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Run a recorded or generated trace through a stack on virtual time: what would have been admitted, refused and
    /// retried.
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(Replay),
    /// Print the parts of a stack in the order in which a call passes them.
    Describe {
        /// The stack; `-` reads standard input.
        file: PathBuf,
        /// Print every value as JSON, those by default included.
        #[arg(long)]
        json: bool,
    },
    /// Check a stack and show everything that is wrong with it, each with line, column and a suggestion.
    Check {
        /// The stack; `-` reads standard input.
        file: PathBuf,
        /// Print the problems as a JSON array.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Replay {
    /// A file with one call on each line, `-` for standard input, or `gen:` and settings.
    trace: String,
    /// The stack, as YAML.
    #[arg(long, value_name = "FILE")]
    stack: PathBuf,
    /// How many services call each other in a row, each through such a stack; the last one calls the dependency.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = layers)]
    layers: usize,
    /// What all randomness is drawn from, in place of the seed of a generated trace.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How much time a row is about, such as 500ms or 10s; by default about 60 rows.
    #[arg(long, value_name = "TIME", value_parser = time)]
    bucket: Option<Duration>,
    /// How many requests the dependency serves at the same time; more wait until it comes to them.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=i64::from(REPLAY_CAPACITY_MAX)))]
    capacity: Option<u32>,
    /// Also draw it, into this file.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn layers(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=REPLAY_LAYERS_MAX).contains(number));
    number.ok_or_else(|| format!("from 1 to {REPLAY_LAYERS_MAX}"))
}

fn time(text: &str) -> Result<Duration, String> {
    let time = duration::parse(text).filter(|time| !time.is_zero());
    time.ok_or_else(|| "a time has a unit: 500ms, 10s, 1m".to_owned())
}

pub(crate) fn run(args: Args) -> Outcome {
    match args.verb {
        Verb::Replay(args) => run_replay(&args),
        Verb::Describe { file, json } => {
            let stack = StackFile::read(&file)?.check()?;
            if json {
                output::json(&json!(stack.config));
            } else {
                output::data(&stack.built.describe().to_string());
            }
            Ok(())
        }
        Verb::Check { file, json } => {
            let stack = StackFile::read(&file)?;
            if json {
                let problems = stack.problems();
                output::json(&json!(problems));
                return if problems.is_empty() { Ok(()) } else { Err(stack.failure(problems.len())) };
            }
            let parts = stack.check()?.built.describe().to_string().lines().count() - 1;
            output::data(&format!("{} is sound: {parts} parts\n", file.display()));
            Ok(())
        }
    }
}

fn run_replay(args: &Replay) -> Outcome {
    let stack = StackFile::read(&args.stack)?.check()?;
    let source = Source::read(&args.trace, args.seed)?;
    let options =
        Options { seed: source.seed, layers: args.layers, bucket: args.bucket, capacity: args.capacity };
    let mut progress = Progress::new(source.trace.span());
    let report = replay::run(&source.trace, &stack.config, options, |at| progress.show(at));
    progress.clear();
    let report = report.map_err(Failure::other)?;
    if let Some(file) = &args.plot {
        let drawn = plot::svg(&report, &args.trace);
        std::fs::write(file, drawn)
            .map_err(|error| Failure::other(format!("cannot write {}: {error}", file.display())))?;
        output::talk(&format!("drawn into {}", file.display()));
    }
    if args.json {
        output::json(&json!(report));
    } else {
        output::data(&text::report(&report));
    }
    Ok(())
}
