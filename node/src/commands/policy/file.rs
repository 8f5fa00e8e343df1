//! Reads a stack from a file, and shows everything that is wrong with it.

use std::path::Path;

use mamparo_config::{Document, Problem};
use mamparo_policy::stack::{ClientConfig, InvalidStack, Stack};

use crate::commands::load;
use crate::failure::Failure;
use crate::output;

/// The text of a stack and what it is called.
pub(super) struct StackFile {
    source: load::Source,
    target: String,
}

/// A stack that can be built.
pub(super) struct Checked {
    pub(super) config: ClientConfig,
    pub(super) built: Stack,
}

impl StackFile {
    /// The file `file`, or standard input for `-`.
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let remedy = "name a file that this user may read";
        let source = load::Source::read_with(file, remedy)?;
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        Ok(Self { source, target: stem.filter(|stem| stem != "-").unwrap_or_else(|| "dependency".into()) })
    }

    /// The stack. Problems are shown before it fails.
    pub(super) fn check(&self) -> Result<Checked, Failure> {
        self.build().map_err(|problems| {
            problems.iter().for_each(|problem| output::talk(&self.source.show(problem)));
            self.failure(problems.len())
        })
    }

    /// Everything that is wrong with it.
    pub(super) fn problems(&self) -> Vec<Problem> {
        self.build().err().unwrap_or_default()
    }

    /// It has so many problems.
    pub(super) fn failure(&self, problems: usize) -> Failure {
        let noun = if problems == 1 { "problem" } else { "problems" };
        let message = format!("{} does not load: {problems} {noun}", self.source.name);
        Failure::config_unusable(message, "correct it; `mamparo policy check` shows the problems again")
    }

    fn build(&self) -> Result<Checked, Vec<Problem>> {
        let document = mamparo_config::read::<ClientConfig>(&self.source.text, &self.source.name)?;
        let config = document.value().clone();
        match Stack::client(&self.target).config(config.clone()).build() {
            Ok(built) => Ok(Checked { config, built }),
            Err(error) => Err(vec![placed(&document, &error)]),
        }
    }
}

/// What keeps a stack from being built, at the place of the value.
fn placed(document: &Document<ClientConfig>, error: &InvalidStack) -> Problem {
    match error {
        InvalidStack::Policy(wrong) => {
            let part = wrong.policy.as_str().replace('-', "_");
            document.problem(&format!("{part}.{}", wrong.field), wrong.problem.clone())
        }
        InvalidStack::RetryAndHedge => document.problem("hedge", error.to_string()),
    }
}
