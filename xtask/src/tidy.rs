//! `cargo xtask tidy`: the rules of the house that a machine can check. Each gate is a pure function from the
//! text of the repository to problems; this file runs them all and decides nothing itself.

mod architecture;
mod cores;
mod dependencies;
mod portable;
mod readme;
mod report;
mod size;

use std::fmt;
use std::path::Path;

use crate::exit::{self, Unable};
use crate::metadata::Workspace;
use crate::terminal::Paint;
use crate::tree::Tree;
use crate::{layers, shell};

const EXAMPLES: &str = "\
Gates: length (600 lines without tests), header (`//!` says what a file decides), layers (the table in
xtask/src/layers.rs), cores (no async, runtime, HTTP or driver), dependencies (docs/dependencies.md),
architecture (what ARCHITECTURE.md names exists), readme (the translations agree), portable (no paths
or hosts of one machine). Problems go to stdout, one a line, with exit code 1.

Examples:
  cargo xtask tidy
  cargo xtask tidy --report   sizes besides: medians, the longest files and functions (never a gate)";

/// Arguments of `tidy`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Print the sizes of files and functions too
    #[arg(long)]
    report: bool,
}

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    gate: &'static str,
    path: String,
    line: Option<usize>,
    what: String,
}

impl Problem {
    /// A problem of a file as a whole.
    pub(crate) fn in_file(gate: &'static str, path: &str, what: impl Into<String>) -> Self {
        Self { gate, path: path.to_owned(), line: None, what: what.into() }
    }

    /// A problem at a line, counted from 1.
    pub(crate) fn at(gate: &'static str, path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { gate, path: path.to_owned(), line: Some(line), what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {} [{}]", self.path, self.what, self.gate),
            None => write!(f, "{}: {} [{}]", self.path, self.what, self.gate),
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// When the repository or its manifests cannot be read.
pub(crate) fn run(args: &Args) -> Result<u8, Unable> {
    gate(&shell::root()?, args.report)
}

/// Runs all gates over the repository at `root`.
///
/// # Errors
/// When the repository or its manifests cannot be read.
pub(crate) fn gate(root: &Path, with_report: bool) -> Result<u8, Unable> {
    let tree = Tree::read(root)?;
    let workspace = Workspace::read(root)?;
    let problems = check(&tree, &workspace);
    for problem in &problems {
        println!("{problem}");
    }
    if with_report {
        print!("{}", report::of(&tree));
    }
    let paint = Paint::stderr();
    if problems.is_empty() {
        eprintln!(
            "{}: {} text files, {} crates",
            paint.green("tidy"),
            tree.files().len(),
            workspace.packages.len()
        );
        Ok(exit::GOOD)
    } else {
        eprintln!("{}: {} to put right", paint.red("not tidy"), problems.len());
        Ok(exit::BAD)
    }
}

fn check(tree: &Tree, workspace: &Workspace) -> Vec<Problem> {
    let mut problems = size::check(tree);
    problems.extend(layers::check(&workspace.packages));
    problems.extend(cores::check(tree));
    problems.extend(dependencies::check(tree, &workspace.packages));
    problems.extend(architecture::check(tree));
    problems.extend(readme::check(tree));
    problems.extend(portable::check(tree));
    problems
}
