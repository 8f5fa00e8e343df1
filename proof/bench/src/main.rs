//! Runs one benchmark, prints its figures beside their peers', and fails when a target does not hold.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]

mod disk;
mod ledger;
mod report;
mod run;
mod saga;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures, side by side with the peer, in one run.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  cargo xtask bench ledger\n  cargo xtask bench ledger --json -- --seconds 5"
)]
struct Arguments {
    /// What to measure.
    bench: Bench,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Seconds that each measurement of each round takes.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Rounds; peers take turns in each, and the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Folder for the data; its disk is what is measured. By default one below the build's folder, because
    /// a temporary folder is often memory.
    #[arg(long)]
    data: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Bench {
    /// What the disk itself can do: the yardstick of every durable figure.
    Disk,
    /// Durable units of work through the ledger, beside a bare loop over the same statements.
    Ledger,
    /// Sagas of three durable steps.
    Saga,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let folder = match &arguments.data {
        Some(path) => {
            std::fs::create_dir_all(path).unwrap();
            tempfile::tempdir_in(path).unwrap()
        }
        None => tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap(),
    };
    let plan = run::Plan {
        seconds: std::time::Duration::from_secs_f64(arguments.seconds),
        rounds: arguments.rounds.max(1),
        folder: folder.path().to_owned(),
    };
    let report = match arguments.bench {
        Bench::Disk => disk::bench(&plan),
        Bench::Ledger => ledger::bench(&plan),
        Bench::Saga => saga::bench(&plan),
    };
    report.print(arguments.json);
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
