//! What names a saga and its commands. A command's id is derived, never drawn: the same saga asks the same thing
//! under the same id, however often, and the callee takes that id as its idempotency key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::{SAGA_ID_BYTES_MAX, is_name};

/// The id of one saga: 1 to [`SAGA_ID_BYTES_MAX`] visible ASCII characters other than `/` and `#`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SagaId(String);

/// A text that cannot be the id of a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a saga is 1 to {SAGA_ID_BYTES_MAX} visible ASCII characters other than `/` and `#`")]
pub struct InvalidSagaId;

impl SagaId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SagaId {
    type Error = InvalidSagaId;

    fn try_from(text: String) -> Result<Self, InvalidSagaId> {
        let fits = (1..=SAGA_ID_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic() && b != b'/' && b != b'#');
        if fits { Ok(Self(text)) } else { Err(InvalidSagaId) }
    }
}

impl FromStr for SagaId {
    type Err = InvalidSagaId;

    fn from_str(text: &str) -> Result<Self, InvalidSagaId> {
        Self::try_from(text.to_owned())
    }
}

impl From<SagaId> for String {
    fn from(id: SagaId) -> String {
        id.0
    }
}

impl fmt::Display for SagaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of one command: `<saga>/<step>/do` forward and `<saga>/<step>/undo` as compensation. Attempts share it.
///
/// A person who resumes after a refusal asks anew, since a callee repeats its refusal under the old id: such a
/// later round reads `do.1`, `undo.1` and so on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommandId(String);

/// A text that is no id of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the id of a command reads `<saga>/<step>/do` or `<saga>/<step>/undo`, and `.<round>` in a later round"
)]
pub struct InvalidCommandId;

impl CommandId {
    pub(crate) fn new(saga: &SagaId, step: &str, compensation: bool, round: u32) -> Self {
        let verb = if compensation { "undo" } else { "do" };
        match round {
            0 => Self(format!("{saga}/{step}/{verb}")),
            _ => Self(format!("{saga}/{step}/{verb}.{round}")),
        }
    }

    /// The id as text: at most 209 bytes of visible ASCII, so that it fits an idempotency key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The saga that sent the command.
    pub fn saga(&self) -> SagaId {
        SagaId(self.part(0).to_owned())
    }

    /// The step it belongs to.
    pub fn step(&self) -> &str {
        self.part(1)
    }

    /// Whether it undoes the step.
    pub fn is_compensation(&self) -> bool {
        self.part(2).starts_with("undo")
    }

    fn part(&self, index: usize) -> &str {
        self.0.split('/').nth(index).unwrap_or_default()
    }
}

impl TryFrom<String> for CommandId {
    type Error = InvalidCommandId;

    fn try_from(text: String) -> Result<Self, InvalidCommandId> {
        let parts: Vec<&str> = text.split('/').collect();
        let [saga, step, what] = parts[..] else { return Err(InvalidCommandId) };
        let (verb, round) = what.split_once('.').unwrap_or((what, "1"));
        let fits = saga.parse::<SagaId>().is_ok()
            && is_name(step)
            && matches!(verb, "do" | "undo")
            && round.parse::<u32>().is_ok_and(|n| n > 0 && n.to_string() == round);
        if fits { Ok(Self(text)) } else { Err(InvalidCommandId) }
    }
}

impl FromStr for CommandId {
    type Err = InvalidCommandId;

    fn from_str(text: &str) -> Result<Self, InvalidCommandId> {
        Self::try_from(text.to_owned())
    }
}

impl From<CommandId> for String {
    fn from(id: CommandId) -> String {
        id.0
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_id_reads_back_as_what_it_was_made_of() {
        let saga: SagaId = "order-7".parse().unwrap();
        for (compensation, round, text) in [
            (false, 0, "order-7/payment/do"),
            (true, 0, "order-7/payment/undo"),
            (false, 2, "order-7/payment/do.2"),
            (true, u32::MAX, "order-7/payment/undo.4294967295"),
        ] {
            let id = CommandId::new(&saga, "payment", compensation, round);
            assert_eq!(id.as_str(), text);
            let read: CommandId = text.parse().unwrap();
            assert_eq!((&read, read.saga(), read.step()), (&id, saga.clone(), "payment"));
            assert_eq!(read.is_compensation(), compensation);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "a/b", "a/b/c", "a/b/do.0", "a/b/do.01", "a/b/do.x", "/b/do", "a//do", "a/b/do/e", "a#/b/do"]
        {
            assert_eq!(text.parse::<CommandId>(), Err(InvalidCommandId), "{text}");
        }
        assert_eq!("a b".parse::<SagaId>(), Err(InvalidSagaId));
        assert_eq!("x".repeat(SAGA_ID_BYTES_MAX + 1).parse::<SagaId>(), Err(InvalidSagaId));
    }
}
