//! A trace: which calls came when, and what the dependency did with them. Read from a file with one call on each line,
//! or generated.

use std::time::Duration;

use mamparo_context::{Criticality, IdempotencyKey, Principal, duration};
use serde::Deserialize;

use super::generator::Generator;
use crate::limits::{TRACE_CALLS_MAX, TRACE_TIME_MAX};

/// When a call that is lost is seen to be lost, if the trace does not say.
pub(super) const LOST_AFTER: Duration = Duration::from_secs(30);

/// Which calls came when, and what the dependency did with them.
#[derive(Clone, Debug)]
pub struct Trace {
    pub(super) calls: Vec<Call>,
    pub(super) source: Source,
    pub(super) capacity: Option<u32>,
}

/// Where it is known from what the dependency does.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A behaviour for each call, in the order of the calls.
    Recorded(Vec<Behaviour>),
    Generated(Generator),
}

/// One call, as it comes to the first stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it comes, from the begin of the trace.
    pub at: Duration,
    /// Its idempotency key.
    pub key: Option<IdempotencyKey>,
    /// How much it matters.
    pub class: Criticality,
    /// On whose behalf it is made.
    pub principal: Option<Principal>,
    /// How long its caller waits.
    pub deadline: Option<Duration>,
}

/// What the dependency does with an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// What it answers.
    pub answer: Answer,
    /// After how long.
    pub took: Duration,
}

/// What a dependency answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What was asked for.
    Ok,
    /// An error, after it had begun: it may have taken effect (a status of 500).
    Failed,
    /// It could not be reached, or did not begin (a refused connection, a status of 503).
    Unavailable,
    /// It works, and asks for less, if it says so after a time (a status of 429).
    Busy(Option<Duration>),
    /// Nothing. In the end the connection is seen to be broken; it may have taken effect.
    Lost,
}

/// A line of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(with = "duration")]
    at: Duration,
    #[serde(default, with = "duration::option")]
    took: Option<Duration>,
    outcome: Word,
    #[serde(default, with = "duration::option")]
    retry_after: Option<Duration>,
    key: Option<IdempotencyKey>,
    class: Option<Criticality>,
    principal: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Ok,
    Failed,
    Unavailable,
    Busy,
    Lost,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct InvalidTrace {
    /// Line, counted from 1; 0 for the whole file.
    pub line: usize,
    /// Column in bytes, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl Trace {
    /// Reads a file with one call on each line, in any order:
    /// `{"at":"12ms","took":"8ms","outcome":"ok"}`.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidTrace> {
        let mut read = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |column: usize, message: String| InvalidTrace { line: index + 1, column, message };
            if read.len() == TRACE_CALLS_MAX {
                return Err(wrong(1, format!("more than {TRACE_CALLS_MAX} calls")));
            }
            let line: Line = serde_json::from_str(line)
                .map_err(|error| wrong(error.column().max(1), without_place(&error.to_string())))?;
            read.push(line.checked().map_err(|message| wrong(1, message))?);
        }
        if read.is_empty() {
            return Err(InvalidTrace { line: 0, column: 1, message: "there is no call in it".into() });
        }
        read.sort_by_key(|(call, _)| call.at);
        let (calls, behaviours) = read.into_iter().unzip();
        Ok(Self { calls, source: Source::Recorded(behaviours), capacity: None })
    }

    /// The calls, in the order of their coming.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// From the begin of the trace to its last call.
    pub fn span(&self) -> Duration {
        self.calls.last().map_or(Duration::ZERO, |call| call.at)
    }
}

impl Line {
    fn checked(self) -> Result<(Call, Behaviour), String> {
        let long = |what: &str, time: Duration| {
            let most = duration::text(TRACE_TIME_MAX);
            if time <= TRACE_TIME_MAX { Ok(time) } else { Err(format!("`{what}` is more than {most}")) }
        };
        if self.retry_after.is_some() && self.outcome != Word::Busy {
            return Err("`retry_after` belongs to the outcome `busy`".into());
        }
        let answer = match self.outcome {
            Word::Ok => Answer::Ok,
            Word::Failed => Answer::Failed,
            Word::Unavailable => Answer::Unavailable,
            Word::Busy => Answer::Busy(self.retry_after),
            Word::Lost => Answer::Lost,
        };
        let usual = if answer == Answer::Lost { LOST_AFTER } else { Duration::ZERO };
        let call = Call {
            at: long("at", self.at)?,
            key: self.key,
            class: self.class.unwrap_or_default(),
            principal: self.principal.as_deref().map(Principal::new),
            deadline: None,
        };
        Ok((call, Behaviour { answer, took: long("took", self.took.unwrap_or(usual))? }))
    }
}

/// The parser counts the one line that it was given.
fn without_place(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(what, _)| what).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_in_any_order_and_sorted() {
        let trace = Trace::parse(
            "{\"at\":\"20ms\",\"outcome\":\"busy\",\"retry_after\":\"2s\",\"key\":\"k\",\"class\":\"sheddable\",\"principal\":\"ana\"}\n\n{\"at\":\"12ms\",\"took\":\"8ms\",\"outcome\":\"ok\"}\n{\"at\":\"12ms\",\"outcome\":\"lost\"}\n",
        )
        .unwrap();
        let times: Vec<u128> = trace.calls().iter().map(|call| call.at.as_millis()).collect();
        assert_eq!((times, trace.span()), (vec![12, 12, 20], Duration::from_millis(20)));
        let ana = &trace.calls()[2];
        assert_eq!(
            (ana.key.as_ref().map(IdempotencyKey::as_str), ana.class, ana.principal.as_ref()),
            (Some("k"), Criticality::Sheddable, Some(&Principal::new("ana")))
        );
        let Source::Recorded(behaviours) = trace.source else { panic!("it is recorded") };
        let behaviours: Vec<(Answer, u64)> =
            behaviours.iter().map(|one| (one.answer, one.took.as_millis() as u64)).collect();
        assert_eq!(
            behaviours,
            [(Answer::Ok, 8), (Answer::Lost, 30_000), (Answer::Busy(Some(Duration::from_secs(2))), 0)]
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let sound = "{\"at\":\"1ms\",\"outcome\":\"ok\"}";
        for (line, expected) in [
            ("", "0:1: there is no call in it"),
            ("{\"at\":5,\"outcome\":\"ok\"}", "2:7: invalid type: integer `5`, expected a string"),
            ("{\"at\":\"5\",\"outcome\":\"ok\"}", "2:9: `5` is not a duration such as 250ms, 5s, 2m, 1h"),
            (
                "{\"at\":\"5s\",\"outcome\":\"okay\"}",
                "2:27: unknown variant `okay`, expected one of `ok`, `failed`, `unavailable`, `busy`, `lost`",
            ),
            ("{\"at\":\"5s\"}", "2:11: missing field `outcome`"),
            (
                "{\"at\":\"5s\",\"outcome\":\"ok\",\"tok\":\"1s\"}",
                "2:31: unknown field `tok`, expected one of `at`, `took`, `outcome`, `retry_after`, `key`, `class`, `principal`",
            ),
            (
                "{\"at\":\"5s\",\"outcome\":\"ok\",\"retry_after\":\"1s\"}",
                "2:1: `retry_after` belongs to the outcome `busy`",
            ),
            ("{\"at\":\"31d\",\"outcome\":\"ok\"}", "2:1: `at` is more than 2592000s"),
            ("at: 5s", "2:1: expected value"),
        ] {
            let text = if line.is_empty() { String::new() } else { format!("{sound}\n{line}\n") };
            assert_eq!(Trace::parse(&text).unwrap_err().to_string(), expected, "{line}");
        }
    }
}
