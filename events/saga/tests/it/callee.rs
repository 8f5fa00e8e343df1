//! The model of all callees: they keep what they owe a saga and are otherwise as unpleasant as a network lets
//! them be.

use std::collections::{HashMap, HashSet};

use mamparo_saga::{Command, CommandId, Outcome};
use proptest::prelude::*;
use serde_json::json;

/// What becomes of one delivery of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whim {
    /// It is obeyed and answered.
    Obey,
    /// It is refused.
    Refuse,
    /// It fails, and has no effect.
    Fail,
    /// It is obeyed, the answer is lost.
    ObeyInSilence,
    /// It never arrives.
    Lose,
    /// It is obeyed, and whoever asked cannot tell.
    ObeyUnclear,
    /// It never arrives, and whoever asked cannot tell.
    LoseUnclear,
}

pub(crate) fn whim() -> impl Strategy<Value = Whim> {
    prop_oneof![
        6 => Just(Whim::Obey),
        1 => Just(Whim::Refuse),
        2 => Just(Whim::Fail),
        2 => Just(Whim::ObeyInSilence),
        1 => Just(Whim::Lose),
        1 => Just(Whim::ObeyUnclear),
        1 => Just(Whim::LoseUnclear),
    ]
}

/// An effect on the world outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Did(String),
    Undid(String),
}

#[derive(Debug, Default)]
pub(crate) struct Callee {
    /// The effects, in order.
    pub(crate) log: Vec<Effect>,
    standing: HashSet<String>,
    /// Final answers by command id: repeated ever after.
    answered: HashMap<CommandId, Outcome>,
    /// Messages that failed: a copy of one has no effect either.
    failed: HashSet<String>,
    /// Forward commands that were undone, some of them before they arrived.
    tombstones: HashSet<CommandId>,
}

impl Callee {
    /// Delivers `command` once; what comes back, if anything.
    pub(crate) fn deliver(&mut self, command: &Command, whim: Whim) -> Option<Outcome> {
        if matches!(whim, Whim::Lose) {
            return None;
        }
        if matches!(whim, Whim::LoseUnclear) {
            return Some(Outcome::Indeterminate("connection reset".into()));
        }
        let answer = self.answer(command, whim);
        match whim {
            Whim::ObeyInSilence => None,
            Whim::ObeyUnclear => Some(Outcome::Indeterminate("connection reset".into())),
            _ => Some(answer),
        }
    }

    fn answer(&mut self, command: &Command, whim: Whim) -> Outcome {
        if let Some(answer) = self.answered.get(&command.id) {
            return answer.clone();
        }
        if self.failed.contains(&command.message_id()) || matches!(whim, Whim::Fail) {
            self.failed.insert(command.message_id());
            return Outcome::Failed("busy".into());
        }
        let refused = matches!(whim, Whim::Refuse) || self.tombstones.contains(&command.id);
        let answer = match (&command.undoes, refused) {
            (_, true) => Outcome::Refused("no".into()),
            (None, false) => {
                self.take_effect(&command.step);
                Outcome::Succeeded(json!({ "did": command.step }))
            }
            (Some(undone), false) => {
                self.undo(&command.step);
                self.tombstones.insert(undone.clone());
                Outcome::Succeeded(json!(null))
            }
        };
        self.answered.insert(command.id.clone(), answer.clone());
        answer
    }

    fn take_effect(&mut self, step: &str) {
        assert!(self.standing.insert(step.to_owned()), "{step} took effect twice");
        self.log.push(Effect::Did(step.to_owned()));
    }

    fn undo(&mut self, step: &str) {
        if self.standing.remove(step) {
            self.log.push(Effect::Undid(step.to_owned()));
        }
    }

    /// A person sees to it that the step is done, and that none of its commands does it again.
    pub(crate) fn do_by_hand(&mut self, step: &str, commands: &[Command]) {
        if !self.standing.contains(step) {
            self.take_effect(step);
        }
        for command in commands.iter().filter(|command| command.step == step) {
            self.answered.entry(command.id.clone()).or_insert(Outcome::Succeeded(json!("by hand")));
        }
    }

    /// A person sees to it that the step is undone, and that none of its commands changes that.
    pub(crate) fn undo_by_hand(&mut self, step: &str, commands: &[Command]) {
        self.undo(step);
        for command in commands.iter().filter(|command| command.step == step) {
            self.tombstones.insert(command.id.clone());
        }
    }
}
