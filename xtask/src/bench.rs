//! `cargo xtask bench`: one bench of proof/bench, in release. The bench itself measures, prints and decides
//! whether its targets hold; its exit code is passed on.

use std::ffi::OsString;

use crate::exit::{self, Unable};
use crate::metadata::Workspace;
use crate::shell;
use crate::test::install;

/// The crate that holds the benches.
const CRATE: &str = "mamparo-bench";
/// The program that some benches run in processes of its own, beside that of the benches.
const PROGRAM: &str = "mamparo";
/// Those benches.
const OF_PROGRAM: [&str; 4] = ["hub", "node", "proxy", "shop"];

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench --list
  cargo xtask bench ledger
  cargo xtask bench shop --json > shop.json
  cargo xtask bench proxy plain --install    one part of it, with the peers that are missing
  cargo xtask bench ledger -- --callers 64   arguments of the bench itself

A bench exits with 1 when a target does not hold.";

/// Arguments of `bench`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Which bench to run
    #[arg(required_unless_present = "list")]
    name: Option<String>,
    /// The part of it to run alone; `proxy` has parts
    #[arg(conflicts_with = "list")]
    part: Option<String>,
    /// Name the benches there are
    #[arg(long, conflicts_with = "name")]
    list: bool,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Install the programs that the proxy is compared with, where they are missing
    #[arg(long)]
    install: bool,
    /// Arguments for the bench itself
    #[arg(last = true)]
    rest: Vec<OsString>,
}

/// Runs the verb.
///
/// # Errors
/// When the crate is not in the workspace, or cargo cannot be started.
pub(crate) fn run(args: &Args) -> Result<u8, Unable> {
    let root = shell::root()?;
    if !Workspace::read(&root)?.has(CRATE) {
        return Err(Unable(format!(
            "there are no benches yet: the workspace has no crate `{CRATE}` (proof/bench)"
        )));
    }
    if args.install {
        install::peers(&Workspace::read(&root)?.target)?;
    }
    if needs_program(args) {
        let mut cargo = shell::cargo(&root);
        let code = shell::run(cargo.args(["build", "--release", "--package", PROGRAM]))?;
        if code != exit::GOOD {
            return Ok(code);
        }
    }
    // A bench may have helpers that are programs of their own: all are built before one is run.
    let mut build = shell::cargo(&root);
    build.args(["build", "--quiet", "--release", "--package", CRATE, "--bins"]);
    if shell::run(&mut build)? != exit::GOOD {
        return Ok(exit::BAD);
    }
    let mut cargo = shell::cargo(&root);
    cargo
        .args(["run", "--quiet", "--release", "--package", CRATE, "--bin", CRATE, "--"])
        .args(words(args))
        .args(&args.rest);
    shell::run(&mut cargo)
}

/// Whether the bench finds its figures in processes of the program itself.
fn needs_program(args: &Args) -> bool {
    args.name.as_deref().is_some_and(|name| OF_PROGRAM.contains(&name))
}

/// What the bench program is told.
fn words(args: &Args) -> Vec<&str> {
    let list = args.list.then_some("--list");
    let json = args.json.then_some("--json");
    list.into_iter().chain(args.name.as_deref()).chain(args.part.as_deref()).chain(json).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_bench_is_told_its_name_and_form() {
        for (line, told) in [
            (&["bench", "ledger"][..], &["ledger"][..]),
            (&["bench", "ledger", "--json"], &["ledger", "--json"]),
            (&["bench", "--list"], &["--list"]),
            (&["bench", "proxy", "plain", "--install"], &["proxy", "plain"]),
        ] {
            assert_eq!(words(&Command::try_parse_from(line).unwrap().args), told);
        }
        let args = Command::try_parse_from(["bench", "shop", "--", "--orders", "9"]).unwrap().args;
        assert_eq!(args.rest, ["--orders", "9"]);
    }

    #[test]
    fn the_program_is_built_where_it_is_what_is_measured() {
        for (line, built) in [
            (&["bench", "shop"][..], true),
            (&["bench", "ledger"], false),
            (&["bench", "--list"], false),
            (&["bench", "proxy"], true),
        ] {
            assert_eq!(needs_program(&Command::try_parse_from(line).unwrap().args), built);
        }
    }

    #[test]
    fn a_bench_without_a_name_is_wrong_usage() {
        assert!(Command::try_parse_from(["bench"]).is_err());
        assert!(Command::try_parse_from(["bench", "ledger", "--list"]).is_err());
    }
}
