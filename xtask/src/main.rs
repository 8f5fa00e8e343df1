//! Automation of the repository: which verbs there are and what their exit codes mean. Each verb stands in the
//! file of its name; none of them is part of the product.

mod bench;
mod ci;
mod docs;
mod fuzz;
mod layers;
mod test;
mod tidy;

mod exit;
mod metadata;
mod shell;
mod source;
mod terminal;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  cargo xtask tidy                     the gates that keep the house small and layered
  cargo xtask test --install           all tests, installing what they need first
  cargo xtask test -- -p mamparo-saga  the tests of one crate
  cargo xtask bench ledger --json      one bench, as JSON
  cargo xtask fuzz request            what reads bytes of strangers, fed by a fuzzer for 15 seconds
  cargo xtask docs --check             are the generated references up to date?
  cargo xtask ci                       everything that .ci/run runs

Exit codes: 0 all is well, 1 something was found or failed, 2 wrong usage, 3 the work could not be done.";

#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", about = "Automation of the repository", after_help = EXAMPLES)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Check the rules of the house: sizes, headers, layers, cores, dependencies, documents
    Tidy(tidy::Args),
    /// Run all tests; the last line says how many passed, failed and were skipped
    Test(test::Args),
    /// Run one bench in release and compare it with its target
    Bench(bench::Args),
    /// Write, or compare, the references that the program generates about itself
    Docs(docs::Args),
    /// Feed what reads bytes of strangers with the inputs of a fuzzer, for a bounded time
    Fuzz(fuzz::Args),
    /// Everything that .ci/run runs, each step with its time
    Ci(ci::Args),
}

fn main() -> ExitCode {
    let command = Command::parse();
    let done = match &command.verb {
        Verb::Tidy(args) => tidy::run(args),
        Verb::Test(args) => test::run(args),
        Verb::Bench(args) => bench::run(args),
        Verb::Docs(args) => docs::run(args),
        Verb::Fuzz(args) => fuzz::run(args),
        Verb::Ci(args) => ci::run(args),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(unable) => {
            eprintln!("{}: {unable}", terminal::Paint::stderr().red("error"));
            ExitCode::from(exit::UNABLE)
        }
    }
}
