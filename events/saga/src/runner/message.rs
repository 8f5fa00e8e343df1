//! How a command and its answer look as messages, for both ends: the runner, and whoever writes a callee.

use mamparo_context::{Clock, Context};
use mamparo_ledger::Message;

use crate::action::Command;
use crate::id::CommandId;
use crate::input::{Input, Outcome};

const COMMAND: &str = "saga-command";
const ATTEMPT: &str = "saga-attempt";
const UNDOES: &str = "saga-undoes";
const REPLY_TO: &str = "saga-reply-to";

/// A message that is no command of a saga, or no answer to one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// A header is missing or makes no sense.
    #[error("header `{header}` is missing or makes no sense")]
    Header {
        /// Which.
        header: &'static str,
    },
    /// The payload is not an [`Outcome`].
    #[error("payload is no outcome: {reason}")]
    Outcome {
        /// What is wrong with it.
        reason: String,
    },
}

/// What the headers of a command say to its callee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The idempotency key: the callee repeats what it once answered under it.
    pub command: CommandId,
    /// The attempt; the answer carries it back.
    pub attempt: u32,
    /// For a compensation, the command that is undone, and not obeyed any more should it come later.
    pub undoes: Option<CommandId>,
    /// The topic to answer to.
    pub reply_to: String,
}

impl Request {
    /// Reads the headers of a command.
    ///
    /// # Errors
    /// [`BadMessage`] names the header that is missing or makes no sense.
    pub fn read(message: &Message) -> Result<Self, BadMessage> {
        let (command, attempt) = answered(message)?;
        let undoes = match message.get_header(UNDOES) {
            Some(text) => Some(text.parse().map_err(|_| BadMessage::Header { header: UNDOES })?),
            None => None,
        };
        let reply_to =
            message.get_header(REPLY_TO).ok_or(BadMessage::Header { header: REPLY_TO })?.to_owned();
        Ok(Self { command, attempt, undoes, reply_to })
    }

    /// The answer, to be published in the transaction in which the command took effect.
    ///
    /// # Errors
    /// The outcome cannot be written as JSON.
    pub fn reply(&self, outcome: &Outcome) -> serde_json::Result<Message> {
        let message = Message::json(&self.reply_to, outcome)?;
        Ok(message
            .key(self.command.saga().as_str())
            .header(COMMAND, self.command.as_str())
            .header(ATTEMPT, &self.attempt.to_string()))
    }
}

/// The message that carries a command. All of one saga have one key, so they keep their order.
pub(super) fn command(
    command: &Command,
    reply_to: &str,
    cx: &Context,
    clock: &Clock,
) -> serde_json::Result<Message> {
    let message = Message::json(&command.to, &command.payload)?
        .key(command.id.saga().as_str())
        .header(COMMAND, command.id.as_str())
        .header(ATTEMPT, &command.attempt.to_string())
        .header(REPLY_TO, reply_to)
        .in_context(cx, clock);
    Ok(match &command.undoes {
        Some(undone) => message.header(UNDOES, undone.as_str()),
        None => message,
    })
}

/// What an answer says to its saga.
pub(super) fn reply(message: &Message) -> Result<Input, BadMessage> {
    let (command, attempt) = answered(message)?;
    let outcome = message.parse().map_err(|error| BadMessage::Outcome { reason: error.to_string() })?;
    Ok(Input::Reply { command, attempt, outcome })
}

fn answered(message: &Message) -> Result<(CommandId, u32), BadMessage> {
    Ok((header(message, COMMAND)?, header(message, ATTEMPT)?))
}

fn header<T: std::str::FromStr>(message: &Message, header: &'static str) -> Result<T, BadMessage> {
    let text = message.get_header(header);
    text.and_then(|text| text.parse().ok()).ok_or(BadMessage::Header { header })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_finds_its_way_back() {
        let sent = Command {
            id: "order-7/payment/undo".parse().unwrap(),
            attempt: 3,
            step: "payment".into(),
            to: "payments".into(),
            undoes: Some("order-7/payment/do".parse().unwrap()),
            payload: json!({"amount": 5}),
            answer_by: Default::default(),
        };
        let message = command(&sent, "replies", &Context::root(), &Clock::system()).unwrap();
        assert_eq!((&*message.topic, message.key.as_deref()), ("payments", Some("order-7")));
        let request = Request::read(&message).unwrap();
        assert_eq!((&request.command, request.attempt, &request.undoes), (&sent.id, 3, &sent.undoes));
        let outcome = Outcome::Refused("no money".into());
        let answer = request.reply(&outcome).unwrap();
        assert_eq!(&*answer.topic, "replies");
        assert_eq!(reply(&answer), Ok(Input::Reply { command: sent.id, attempt: 3, outcome }));
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        let bare = Message::new("replies", "{}");
        assert_eq!(reply(&bare), Err(BadMessage::Header { header: COMMAND }));
        let half = bare.header(COMMAND, "a/b/do");
        assert_eq!(reply(&half), Err(BadMessage::Header { header: ATTEMPT }));
        let whole = half.header(ATTEMPT, "1");
        assert!(matches!(reply(&whole), Err(BadMessage::Outcome { .. })));
        assert_eq!(Request::read(&whole), Err(BadMessage::Header { header: REPLY_TO }));
    }
}
