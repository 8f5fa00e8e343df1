//! Runs one benchmark, prints its figures beside their peers', and fails when a target does not hold.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]

mod cache;
mod disk;
mod hub;
mod lanes;
mod ledger;
mod node;
mod policy;
mod process;
mod proxy;
mod report;
mod routes;
mod run;
mod saga;
mod shop;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit code of a bench that lacks what it measures; 1 says that a target does not hold.
const CANNOT_RUN: u8 = 2;

/// Measures, side by side with the peer, in one run.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  cargo xtask bench ledger\n  cargo xtask bench ledger --json -- --seconds 5\n  cargo xtask bench proxy plain"
)]
struct Arguments {
    /// What to measure.
    #[arg(required_unless_present = "list")]
    bench: Option<Bench>,
    /// The part of it to measure alone; `proxy` has parts.
    part: Option<proxy::Scenario>,
    /// Name the benches there are.
    #[arg(long, conflicts_with = "bench")]
    list: bool,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Seconds that each measurement of each round takes; default: 30 for the shop, 2 for all others.
    #[arg(long)]
    seconds: Option<f64>,
    /// Rounds; peers take turns in each, and the median counts. Default: 10 for the proxy, 3 for all others.
    #[arg(long)]
    rounds: Option<usize>,
    /// Folder for the data; its disk is what is measured. By default one below the build's folder, because
    /// a temporary folder is often memory.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Also draw what was found into this SVG file; `lanes` can.
    #[arg(long)]
    plot: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Bench {
    /// Reads, hit ratios and single flight of a cache, beside other libraries.
    Cache,
    /// What the disk itself can do: the yardstick of every durable figure.
    Disk,
    /// Messages through the hub, in this process and in a process of its own.
    Hub,
    /// Pings beside jobs that compute: inline, on blocking threads, on a second runtime, on the cpu lane.
    Lanes,
    /// Durable units of work through the ledger, beside a bare loop over the same statements.
    Ledger,
    /// How soon the platform node is ready, and what it takes while it has nothing to do.
    Node,
    /// What a policy costs a call that it lets through, beside other libraries.
    Policy,
    /// What a request costs the gateway, beside nginx, HAProxy and Envoy.
    Proxy,
    /// What finding the route of a request costs among ten thousand.
    Routes,
    /// Sagas of three durable steps.
    Saga,
    /// Orders through the whole shop, as its clients see it.
    Shop,
}

impl Bench {
    /// Whether the disk decides about its figures, and is not itself what is measured.
    fn is_durable(self) -> bool {
        matches!(self, Self::Hub | Self::Ledger | Self::Saga | Self::Shop)
    }

    fn seconds(self) -> f64 {
        if matches!(self, Self::Shop) { 30.0 } else { 2.0 }
    }

    fn rounds(self) -> usize {
        if matches!(self, Self::Proxy) { 10 } else { 3 }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Some(bench) = arguments.bench else {
        for bench in Bench::value_variants() {
            println!("{}", bench.to_possible_value().unwrap().get_name());
        }
        return ExitCode::SUCCESS;
    };
    let folder = match &arguments.data {
        Some(path) => {
            std::fs::create_dir_all(path).unwrap();
            tempfile::tempdir_in(path).unwrap()
        }
        None => tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap(),
    };
    let plan = run::Plan {
        seconds: std::time::Duration::from_secs_f64(arguments.seconds.unwrap_or(bench.seconds())),
        rounds: arguments.rounds.unwrap_or(bench.rounds()).max(1),
        folder: folder.path().to_owned(),
    };
    let yardstick = bench.is_durable().then(|| run::syncs_per_second(folder.path()));
    let report = match bench {
        Bench::Cache => Ok(cache::bench(&plan)),
        Bench::Disk => Ok(disk::bench(&plan)),
        Bench::Hub => hub::bench(&plan),
        Bench::Lanes => Ok(lanes::bench(&plan, arguments.plot.as_deref())),
        Bench::Ledger => Ok(ledger::bench(&plan)),
        Bench::Node => node::bench(&plan),
        Bench::Policy => Ok(policy::bench(&plan)),
        Bench::Proxy => proxy::bench(&plan, arguments.part),
        Bench::Routes => Ok(routes::bench(&plan)),
        Bench::Saga => Ok(saga::bench(&plan)),
        Bench::Shop => shop::bench(&plan),
    };
    let mut report = match report {
        Ok(report) => report,
        Err(missing) => {
            eprintln!("error: {missing}");
            return ExitCode::from(CANNOT_RUN);
        }
    };
    if let Some(yardstick) = yardstick {
        report.condition("disk", format!("{yardstick:.0} fdatasync/s of 288 bytes, measured before"));
    }
    report.print(arguments.json);
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
