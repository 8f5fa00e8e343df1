//! Where a trace comes from: a file, standard input, or settings.

use std::io::Read;

use mamparo_policy::limits::TRACE_BYTES_MAX;
use mamparo_policy::replay::{Generator, Trace};

use crate::exit_code;
use crate::failure::Failure;
use crate::output;

/// A trace, and what randomness is drawn from.
pub(super) struct Source {
    pub(super) trace: Trace,
    pub(super) seed: u64,
}

impl Source {
    /// `text` is settings, or names a file. `seed` goes before that of the settings.
    pub(super) fn read(text: &str, seed: Option<u64>) -> Result<Self, Failure> {
        if text.starts_with("gen:") {
            return generated(text, seed);
        }
        let bounded = |reader: &mut dyn Read| {
            let mut text = String::new();
            reader.take(TRACE_BYTES_MAX as u64 + 1).read_to_string(&mut text).map(|_| text)
        };
        let read = match text {
            "-" => bounded(&mut std::io::stdin().lock()),
            file => std::fs::File::open(file).and_then(|mut file| bounded(&mut file)),
        };
        let lines = read.map_err(|error| {
            let mut failure = Failure::other(format!("cannot read {text}: {error}"));
            failure.remedy =
                Some("name a file with one call on each line, or write `gen:` and settings".into());
            failure
        })?;
        if lines.len() > TRACE_BYTES_MAX {
            return Err(Failure::other(format!("{text} has more than {TRACE_BYTES_MAX} bytes")));
        }
        match Trace::parse(&lines) {
            Ok(trace) => Ok(Self { trace, seed: seed.unwrap_or(1) }),
            Err(error) if error.line == 0 => Err(Failure::other(format!("{text}: {}", error.message))),
            Err(error) => Err(Failure::other(format!("{text}:{error}"))),
        }
    }
}

/// A mark under the part that is wrong, and how the command ends.
fn generated(text: &str, seed: Option<u64>) -> Result<Source, Failure> {
    let generator: Generator = match text.parse() {
        Ok(generator) => generator,
        Err(error) => {
            let error: mamparo_policy::replay::InvalidGenerator = error;
            let pad = " ".repeat(error.column - 1);
            output::talk(&format!("  {text}\n  {pad}{}", "^".repeat(error.length)));
            let mut failure = Failure::other(&error.message);
            failure.exit = exit_code::USAGE;
            failure.remedy = Some(error.help);
            return Err(failure);
        }
    };
    let generator = match seed {
        Some(seed) => generator.with_seed(seed),
        None => generator,
    };
    Ok(Source { trace: generator.trace(), seed: generator.seed() })
}
