//! `cargo xtask test`: builds once, runs all tests and the documentation's, and says at the end how many passed,
//! failed and were skipped, and what this machine could not show. Installs only when asked to.

mod count;
pub(crate) mod install;
mod missing;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use count::{CargoTest, Count};
use missing::Missing;

use crate::exit::{self, Unable};
use crate::metadata::Workspace;
use crate::shell::{self, Stream};
use crate::terminal::Paint;

const EXAMPLES: &str = "\
Examples:
  cargo xtask test                        with what this machine has
  cargo xtask test --install              install missing programs and wheels first
  cargo xtask test -- -p mamparo-saga     one crate (arguments of cargo-nextest)
  cargo xtask test -- -E 'test(lease)'    by a filter expression

Without cargo-nextest, `cargo test` runs the tests. Documentation tests, and those that\ntry interleavings of threads, run when no arguments follow `--`.

Tests find in their environment:
  MAMPARO_TEST_BINARY       the built `mamparo`
  MAMPARO_TEST_PYTHON       a python with the wheels of the table in xtask/src/test/install.rs
  MAMPARO_TEST_MISSING_DIR  a folder: a test that lacks a program appends, to a file there named after the
                            test, a line `MISSING <program>: <what was not shown>`, and returns

The last line is `N passed, N failed, N skipped`. Such a test counts as skipped, not as passed.";

/// Crates whose feature `shuttle` puts a checker of interleavings in the place of locks and atomics, each with the
/// tests that then run: a file of tests of this name, or those of the library whose name has it.
const CHECKED: &[(&str, &[&str])] =
    &[("mamparo-policy", &["--test", "shuttle"]), ("mamparo-cache", &["--lib", "shuttle"])];

/// Arguments of `test`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Install missing Debian packages and Python wheels first
    #[arg(long)]
    install: bool,
    /// Build and test in the release profile
    #[arg(long)]
    release: bool,
    /// Arguments for cargo-nextest
    #[arg(last = true)]
    rest: Vec<OsString>,
}

/// Where tests are built and run: one target folder and one profile, so that nothing is compiled twice.
pub(crate) struct Workshop {
    root: PathBuf,
    target: PathBuf,
    release: bool,
}

/// What a whole run came to.
pub(crate) struct Summary {
    count: Count,
    missing: Missing,
    /// A runner failed, whatever was counted.
    broken: bool,
}

/// Runs the verb.
///
/// # Errors
/// When cargo cannot be asked or started.
pub(crate) fn run(args: &Args) -> Result<u8, Unable> {
    let workshop = Workshop::open(args.release)?;
    if args.install {
        workshop.install()?;
    }
    let built = if chooses_crates(&args.rest) { workshop.build_binary()? } else { workshop.build()? };
    let summary = if built { workshop.test(&args.rest)? } else { Summary::of_a_broken_build() };
    summary.print();
    Ok(summary.code())
}

impl Workshop {
    /// Finds the workspace and its target folder.
    ///
    /// # Errors
    /// When the manifests cannot be read.
    pub(crate) fn open(release: bool) -> Result<Self, Unable> {
        let root = shell::root()?;
        let target = Workspace::read(&root)?.target;
        Ok(Self { root, target, release })
    }

    /// Installs the programs and wheels that are missing. What cannot be had is no error here: it is named later.
    ///
    /// # Errors
    /// When a program that installs cannot be started.
    pub(crate) fn install(&self) -> Result<(), Unable> {
        install::programs()?;
        install::wheels(&self.target)
    }

    /// Builds every program and every test in one go, so that no crate is compiled again with other features.
    ///
    /// # Errors
    /// When cargo cannot be started.
    pub(crate) fn build(&self) -> Result<bool, Unable> {
        let mut cargo = self.cargo(&["build", "--workspace", "--lib", "--bins", "--tests"]);
        Ok(shell::run(&mut cargo)? == exit::GOOD)
    }

    /// Builds only the program: enough when the tests of few crates are chosen.
    fn build_binary(&self) -> Result<bool, Unable> {
        Ok(shell::run(&mut self.cargo(&["build", "--package", "mamparo"]))? == exit::GOOD)
    }

    /// The `mamparo` that [`Workshop::build`] leaves behind.
    pub(crate) fn binary(&self) -> PathBuf {
        let profile = if self.release { "release" } else { "debug" };
        self.target.join(profile).join(format!("mamparo{}", std::env::consts::EXE_SUFFIX))
    }

    /// Runs all tests, or the ones that `rest` selects, and counts them.
    ///
    /// # Errors
    /// When cargo cannot be started, or the folder for missing programs cannot be made.
    pub(crate) fn test(&self, rest: &[OsString]) -> Result<Summary, Unable> {
        let folder = self.target.join("test-missing");
        missing::prepare(&folder)?;
        let (mut count, mut broken) = self.run_tests(rest, &folder)?;
        if rest.is_empty() {
            let mut cargo = self.cargo(&["test", "--doc", "--workspace", "--no-fail-fast"]);
            let (documented, failed) = count_cargo_test(self.hand_over(&mut cargo, &folder))?;
            count += documented;
            broken |= failed;
            for (name, tests) in CHECKED {
                let words = [&["test", "--package", name, "--features", "shuttle"], *tests].concat();
                let (checked, failed) = count_cargo_test(&mut self.cargo(&words))?;
                count += checked;
                broken |= failed;
            }
        }
        if broken && count.failed == 0 {
            eprintln!("a runner failed without naming a test: that counts as one failure");
            count.failed = 1;
        }
        let missing = missing::read(&folder)?;
        count.skip(missing.tests());
        Ok(Summary { count, missing, broken })
    }

    fn run_tests(&self, rest: &[OsString], missing: &Path) -> Result<(Count, bool), Unable> {
        let scope: &[&str] = if chooses_crates(rest) { &[] } else { &["--workspace"] };
        if shell::has_cargo_command(&self.root, "nextest") {
            let mut cargo = self.cargo(&[&["nextest", "run", "--no-fail-fast"], scope].concat());
            return count_nextest(self.hand_over(cargo.args(rest), missing));
        }
        eprintln!("cargo-nextest is not installed: `cargo test` runs the tests");
        let mut cargo =
            self.cargo(&[&["test", "--lib", "--bins", "--tests", "--no-fail-fast"], scope].concat());
        count_cargo_test(self.hand_over(cargo.args(rest), missing))
    }

    fn cargo(&self, words: &[&str]) -> Command {
        let mut cargo = shell::cargo(&self.root);
        cargo.args(words).args(self.release.then_some("--release"));
        cargo
    }

    /// What tests find in their environment.
    fn hand_over<'a>(&self, command: &'a mut Command, missing: &Path) -> &'a mut Command {
        command.env("MAMPARO_TEST_BINARY", self.binary()).env("MAMPARO_TEST_MISSING_DIR", missing);
        if let Some(python) = install::python(&self.target) {
            command.env("MAMPARO_TEST_PYTHON", python);
        }
        if Paint::stderr().is_on() {
            command.env("CARGO_TERM_COLOR", "always");
        }
        command
    }
}

impl Summary {
    /// A build that fails leaves nothing to count.
    pub(crate) fn of_a_broken_build() -> Self {
        eprintln!("the build failed: no test ran, and that counts as one failure");
        Self { count: Count { failed: 1, ..Count::default() }, missing: Missing::default(), broken: true }
    }

    /// Prints what could not be had and, as the last line, the count.
    pub(crate) fn print(&self) {
        print!("{}", self.missing);
        println!("{}", self.count);
    }

    /// The exit code that belongs to it.
    pub(crate) fn code(&self) -> u8 {
        if self.broken || self.count.failed > 0 { exit::BAD } else { exit::GOOD }
    }
}

/// Whether the arguments of the runner choose crates; the others need not be built then.
fn chooses_crates(rest: &[OsString]) -> bool {
    rest.iter().any(|word| word == "-p" || word.to_str().is_some_and(|word| word.starts_with("--package")))
}

/// Runs cargo-nextest; the second value says whether it failed.
fn count_nextest(runner: &mut Command) -> Result<(Count, bool), Unable> {
    let mut count = Count::default();
    let code = shell::run_reading(runner, Stream::Stderr, |line| {
        count = Count::in_nextest(line).unwrap_or(count);
    })?;
    Ok((count, code != exit::GOOD))
}

/// Runs `cargo test`; the second value says whether it failed.
fn count_cargo_test(runner: &mut Command) -> Result<(Count, bool), Unable> {
    let mut output = CargoTest::default();
    let code = shell::run_reading(runner, Stream::Stdout, |line| output.line(line))?;
    Ok((output.end(), code != exit::GOOD))
}
