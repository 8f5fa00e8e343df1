//! `cargo xtask ci`: what .ci/run runs, in order. A step that fails does not keep the next from running, so that
//! one run tells everything; the code is bad if any step was. The last line is the count of the tests.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use crate::exit::{self, Unable};
use crate::shell::{self, cargo, timed};
use crate::terminal::Paint;
use crate::test::{Summary, Workshop};
use crate::{docs, fuzz, tidy};

const EXAMPLES: &str = "\
Steps: format, clippy, tidy, deny (if cargo-deny is installed) and advisories (if their
database can be fetched), install, build, docs (if docs/reference
is there), fuzz (if there is a C++ compiler), test. Each is printed with its time, the failed ones again at the end.

Example:
  cargo xtask ci";

/// Arguments of `ci`: none.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

/// The steps so far.
#[derive(Default)]
struct Steps {
    done: Vec<(&'static str, Duration, bool)>,
}

/// Runs the verb.
///
/// # Errors
/// When cargo cannot be started, or the repository cannot be read.
pub(crate) fn run(_: &Args) -> Result<u8, Unable> {
    let root = shell::root()?;
    let workshop = Workshop::open(false)?;
    let mut steps = Steps::default();
    steps.take("format", || format(&root))?;
    steps.take("clippy", || clippy(&root))?;
    steps.take("tidy", || tidy::gate(&root, true))?;
    deny(&root, &mut steps)?;
    steps.take("install", || workshop.install().map(|()| exit::GOOD))?;
    let built =
        steps.take("build", || workshop.build().map(|built| if built { exit::GOOD } else { exit::BAD }))?;
    if !docs::exist(&root) {
        eprintln!("docs: left out, docs/reference is not there yet");
    } else if built {
        steps.take("docs", || docs::check_with(&root, &workshop.binary()))?;
    }
    if fuzz::can_run() {
        steps.take("fuzz", fuzz::briefly)?;
    } else {
        eprintln!("fuzz: left out, there is no C++ compiler");
    }
    let summary = if built { steps.test(&workshop)? } else { Summary::of_a_broken_build() };
    eprint!("{}", steps.table());
    summary.print();
    Ok(if steps.all_good() { exit::GOOD } else { exit::BAD })
}

impl Steps {
    /// Runs one step; whether it went well.
    fn take(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<u8, Unable>,
    ) -> Result<bool, Unable> {
        let (code, time) = timed(work);
        let good = code? == exit::GOOD;
        self.end(name, time, good);
        Ok(good)
    }

    /// Runs the last step, whose summary is printed after everything else.
    fn test(&mut self, workshop: &Workshop) -> Result<Summary, Unable> {
        let (summary, time) = timed(|| workshop.test(&[]));
        let summary = summary?;
        self.end("test", time, summary.code() == exit::GOOD);
        Ok(summary)
    }

    fn end(&mut self, name: &'static str, time: Duration, good: bool) {
        self.done.push((name, time, good));
        eprintln!("{name}: {} in {:.1} s", verdict(good), time.as_secs_f64());
    }

    fn all_good(&self) -> bool {
        self.done.iter().all(|(_, _, good)| *good)
    }

    /// All steps with their times.
    fn table(&self) -> String {
        let mut table = String::new();
        for (name, time, good) in &self.done {
            // Writing to a string does not fail.
            let _always = writeln!(table, "{name:<10} {:>7.1} s  {}", time.as_secs_f64(), verdict(*good));
        }
        table
    }
}

fn verdict(good: bool) -> String {
    let paint = Paint::stderr();
    if good { paint.green("good") } else { paint.red("FAILED") }
}

/// The targets of the fuzzer are a workspace of their own.
fn format(root: &Path) -> Result<u8, Unable> {
    let code = shell::run(cargo(root).args(["fmt", "--all", "--", "--check"]))?;
    let fuzz = ["fmt", "--manifest-path", "fuzz/Cargo.toml", "--", "--check"];
    Ok(code.max(shell::run(cargo(root).args(fuzz))?))
}

fn clippy(root: &Path) -> Result<u8, Unable> {
    shell::run(cargo(root).args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))
}

/// What may enter the build. cargo-deny is not built here: that would take longer than all the rest.
fn deny(root: &Path, steps: &mut Steps) -> Result<(), Unable> {
    if !shell::has_cargo_command(root, "deny") {
        eprintln!("deny: left out, cargo-deny is not installed");
        return Ok(());
    }
    steps.take("deny", || {
        let check = ["check", "bans", "licenses", "sources"];
        let code = shell::run(cargo(root).arg("deny").args(check))?;
        let fuzz = ["deny", "--manifest-path", "fuzz/Cargo.toml"];
        Ok(code.max(shell::run(cargo(root).args(fuzz).args(check))?))
    })?;
    if shell::quiet_success(cargo(root).args(["deny", "fetch", "db"])) {
        let check = ["deny", "check", "advisories"];
        steps.take("advisories", || shell::run(cargo(root).args(check)))?;
    } else {
        eprintln!("advisories: left out, their database cannot be fetched from here");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_step_fails_the_whole_and_the_rest_still_runs() {
        let mut steps = Steps::default();
        assert!(!steps.take("a", || Ok(exit::BAD)).unwrap());
        assert!(steps.take("b", || Ok(exit::GOOD)).unwrap());
        assert!(!steps.all_good());
        assert_eq!(steps.table().lines().count(), 2);
        assert!(steps.table().starts_with("a              0.0 s  "));
    }

    #[test]
    fn a_step_that_cannot_run_ends_it() {
        assert!(Steps::default().take("a", || Err(Unable("x".into()))).is_err());
    }
}
