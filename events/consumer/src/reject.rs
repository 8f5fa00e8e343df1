//! How a handler says that a message can never be handled, and how an error is written with all its causes.

use std::error::Error as StdError;

use mamparo_ledger::Error;

use crate::limits::{CAUSES_MAX, ERROR_BYTES_MAX};

/// A message that can never be handled: it becomes a dead letter at once, without another attempt.
#[derive(Debug, thiserror::Error)]
#[error("rejected: {why}")]
pub struct Reject {
    why: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Reject {
    /// Rejects the message for this reason.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), source: None }
    }

    /// The same rejection with its cause.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }
}

impl From<Reject> for Error {
    fn from(reject: Reject) -> Self {
        Self::app(reject)
    }
}

/// An error and its causes, joined by `: `, at most [`ERROR_BYTES_MAX`] bytes.
pub fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = match error {
        Error::App(own) => own.source(),
        other => other.source(),
    };
    for _ in 0..CAUSES_MAX {
        let Some(error) = cause else { break };
        let own = error.to_string();
        // Many errors repeat their cause in their own text.
        if !text.ends_with(&own) {
            text.push_str(": ");
            text.push_str(&own);
        }
        cause = error.source();
    }
    let end = (0..=ERROR_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_written_with_all_its_causes() {
        let number = "x".parse::<i32>().unwrap_err();
        let rejected: Error = Reject::new("no such product").caused_by(number).into();
        assert_eq!(chain(&rejected), "rejected: no such product: invalid digit found in string");
        assert_eq!(chain(&Error::DiskFull), "no space left for the ledger");
        assert_eq!(chain(&Error::app("ñ".repeat(4_000))).len(), ERROR_BYTES_MAX);
    }
}
