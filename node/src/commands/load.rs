//! Reads a configuration file, and shows everything that is wrong with it.

use std::io::Read;
use std::path::{Path, PathBuf};

use mamparo_config::limits::FILE_BYTES_MAX;
use mamparo_config::{Config, InForce, Problem};

use crate::failure::Failure;
use crate::output;

/// What is taken when no file is named: the shop.
const DEFAULT: &str = include_str!("../../../mamparo.yaml");
/// What the default is called.
const DEFAULT_NAME: &str = "mamparo.yaml (built in)";

/// The text of a configuration and what it is called.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Source {
    /// The file `file`, standard input for `-`, or the built-in default.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(file) = file else { return Ok(Self { name: DEFAULT_NAME.into(), text: DEFAULT.into() }) };
        Self::read_with(file, "name a file that this user may read; without one the built-in shop is started")
    }

    /// The file `file`, or standard input for `-`; `remedy` is told when it cannot be read.
    pub(crate) fn read_with(file: &Path, remedy: &str) -> Result<Self, Failure> {
        let name = file.display().to_string();
        let bounded = |reader: &mut dyn Read| {
            let mut text = String::new();
            reader.take(FILE_BYTES_MAX as u64 + 1).read_to_string(&mut text).map(|_| text)
        };
        let text = match name.as_str() {
            "-" => bounded(&mut std::io::stdin().lock()),
            _ => std::fs::File::open(file).and_then(|mut file| bounded(&mut file)),
        };
        let text =
            text.map_err(|error| Failure::config_unusable(format!("cannot read {name}: {error}"), remedy))?;
        Ok(Self { name, text })
    }

    /// The checked configuration. Problems are shown before it fails.
    pub(crate) fn check(&self) -> Result<Config, Failure> {
        self.first().map(|in_force| in_force.config().clone())
    }

    /// The checked configuration, for whoever follows what becomes of the file. Problems are shown before it fails.
    pub(crate) fn first(&self) -> Result<InForce, Failure> {
        InForce::first(&self.text, &self.name).map_err(|problems| {
            problems.iter().for_each(|problem| output::talk(&self.show(problem)));
            Failure::config(&self.name, problems.len())
        })
    }

    /// A problem with the line that it stands in.
    pub(crate) fn show(&self, problem: &Problem) -> String {
        match problem.excerpt(&self.text) {
            Some(excerpt) => format!("{problem}\n{excerpt}"),
            None => problem.to_string(),
        }
    }
}

/// The configuration that is in force here: of the file that is named, or of `mamparo.yaml` where the command is
/// run, or the built-in one.
pub(crate) fn file_or_default(file: Option<PathBuf>) -> Option<PathBuf> {
    file.or_else(|| {
        let here = PathBuf::from("mamparo.yaml");
        here.exists().then_some(here)
    })
}
