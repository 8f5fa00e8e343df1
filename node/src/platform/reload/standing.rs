//! How the configuration stands: what is in force, and what became of the version that was read last.

use std::path::Path;
use std::time::Duration;

use mamparo_config::{Config, Refused};
use mamparo_context::Timestamp;
use serde_json::{Value, json};

/// What became of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The process was started with it.
    Started,
    /// All of it came in force.
    Whole,
    /// Some parts were refused.
    Partly,
    /// Nothing has changed.
    Refused,
}

impl Verdict {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Whole => "whole",
            Self::Partly => "partly",
            Self::Refused => "refused",
        }
    }
}

/// How the configuration stands.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// Versions that came in force since the start, the first one included.
    pub(crate) generation: u64,
    /// What is in force.
    pub(crate) config: Config,
    /// What became of the version that was read last, and when.
    pub(crate) verdict: Verdict,
    pub(crate) at: Timestamp,
    /// From reading it to putting it in force.
    took: Duration,
    /// What was refused of it, and how many parts these are.
    pub(crate) refused: Vec<Refused>,
    pub(crate) parts: usize,
    /// Keys whose change waits for a restart.
    pub(crate) needs_restart: Vec<String>,
    file: Option<String>,
}

impl Standing {
    pub(crate) fn started(config: Config, file: Option<&Path>, at: Timestamp) -> Self {
        Self {
            generation: 1,
            config,
            verdict: Verdict::Started,
            at,
            took: Duration::ZERO,
            refused: Vec::new(),
            parts: 0,
            needs_restart: Vec::new(),
            file: file.map(|file| file.display().to_string()),
        }
    }

    /// Another version came in force, without what was refused of it.
    pub(crate) fn next(
        &self,
        config: Config,
        at: Timestamp,
        took: Duration,
        (refused, parts): (Vec<Refused>, usize),
        needs_restart: Vec<String>,
    ) -> Self {
        let verdict = if parts == 0 { Verdict::Whole } else { Verdict::Partly };
        let (generation, file) = (self.generation + 1, self.file.clone());
        Self { generation, config, verdict, at, took, refused, parts, needs_restart, file }
    }

    /// Another version was refused as a whole.
    pub(crate) fn refused(
        &self,
        at: Timestamp,
        took: Duration,
        (refused, parts): (Vec<Refused>, usize),
    ) -> Self {
        Self { verdict: Verdict::Refused, at, took, refused, parts, ..self.clone() }
    }

    /// Without the configuration itself.
    pub(crate) fn report(&self) -> Value {
        json!({
            "generation": self.generation,
            "file": self.file,
            "last_read": {
                "at": self.at.to_string(),
                "verdict": self.verdict.as_str(),
                "took_ms": self.took.as_secs_f64() * 1e3,
            },
            "refused_parts": self.parts,
            "refused": self.refused,
            "needs_restart": self.needs_restart,
        })
    }
}
