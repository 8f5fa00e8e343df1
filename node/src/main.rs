//! The one binary: every role, and the commands that look at them. This file hands the command line to the file
//! of its verb, and says how the process ends.

mod commands;
mod exit_code;
mod failure;
mod logging;
mod otlp;
mod output;
mod platform;
mod process_metrics;
mod stop;
mod supervise;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
#[cfg(feature = "shop")]
use commands::shop;
use commands::{
    cache, check, completions, dead_letter, explain, outbox, policy, queue, reference, run, saga, stream,
    tether, timer, top, topic, up, upgrade,
};
use failure::Outcome;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EXAMPLES: &str = "\
Examples:
  mamparo up                      start everything on this machine, with the shop
  mamparo saga list               what is under way
  mamparo check mamparo.yaml      everything that is wrong with a configuration
  mamparo explain MP-0002         what an error means and what to do";

/// Everything the services of a distributed backend need between them, in one program.
#[derive(Debug, Parser)]
#[command(name = "mamparo", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Args),
    Run(run::Args),
    Top(top::Args),
    Upgrade(upgrade::Args),
    Check(check::Args),
    Explain(explain::Args),
    Saga(saga::Args),
    Stream(stream::Args),
    Timer(timer::Args),
    Outbox(outbox::Args),
    Queue(queue::Args),
    Topic(topic::Args),
    DeadLetter(dead_letter::Args),
    Cache(cache::Args),
    Policy(policy::Args),
    Reference(reference::Args),
    #[cfg(feature = "shop")]
    Shop(shop::Args),
    Completions(completions::Args),
    #[command(hide = true)]
    Tether(tether::Args),
}

fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit());
    match dispatch(cli.command) {
        Ok(()) => ExitCode::from(exit_code::OK),
        Err(failure) => {
            output::failure(&failure);
            ExitCode::from(failure.exit)
        }
    }
}

fn command() -> clap::Command {
    Cli::command().after_long_help(format!("{EXAMPLES}\n\n{}", exit_code::HELP))
}

fn dispatch(command_line: Command) -> Outcome {
    match command_line {
        Command::Up(args) => up::run(args),
        Command::Run(args) => run::run(args),
        Command::Top(args) => top::run(args),
        Command::Upgrade(args) => upgrade::run(args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Saga(args) => saga::run(args),
        Command::Stream(args) => stream::run(args),
        Command::Timer(args) => timer::run(args),
        Command::Outbox(args) => outbox::run(args),
        Command::Queue(args) => queue::run(args),
        Command::Topic(args) => topic::run(args),
        Command::DeadLetter(args) => dead_letter::run(args),
        Command::Cache(args) => cache::run(args),
        Command::Policy(args) => policy::run(args),
        Command::Reference(args) => reference::run(&args, command()),
        #[cfg(feature = "shop")]
        Command::Shop(args) => shop::run(args),
        Command::Completions(args) => completions::run(&args, command()),
        Command::Tether(args) => tether::run(&args),
    }
}
