//! One turn of a saga in a transaction: transition, perform, store.

use mamparo_context::{Context, Timestamp, failpoint};
use mamparo_ledger::{Error, Message, Result, Timer, Tx};

use super::store::{self, Stored};
use super::trace::Trace;
use super::{Sagas, Taken, calls, message, wake};
use crate::action::Action;
use crate::core::State;
use crate::definition::Definition;
use crate::input::Input;

impl Sagas {
    /// Takes an answer: the handler of the topic that sagas are answered on.
    ///
    /// # Errors
    /// As [`Sagas::take`]; [`BadMessage`](super::BadMessage) (by [`Error::app_as`]) for a message that is no answer.
    pub async fn reply(&self, tx: &mut Tx<'_>, message: &Message) -> Result<Taken> {
        let input = message::reply(message).map_err(Error::app)?;
        let Input::Reply { command, .. } = &input else { return Ok(Taken::NoEffect) };
        let id = command.saga();
        self.take(tx, &id, input).await
    }

    pub(super) async fn begin(&self, tx: &mut Tx<'_>, definition: &Definition, state: State) -> Result<()> {
        let trace = tx.context().trace().clone();
        let mut stored = Stored { state, trace, wake: None };
        let turn = Trace::begin(tx, &stored);
        self.step(tx, definition, &mut stored, Input::Start, &turn).await?;
        turn.end(tx, &stored);
        set_wake(tx, &mut stored).await?;
        store::insert(tx, &stored).await?;
        failpoint("saga.start.before-commit");
        Ok(())
    }

    pub(super) async fn turn(&self, tx: &mut Tx<'_>, mut stored: Stored, input: Input) -> Result<Taken> {
        let definition = self.0.registry.of(&stored.state).map_err(Error::app)?;
        let before = stored.state.revision();
        let turn = Trace::begin(tx, &stored);
        self.step(tx, definition, &mut stored, input, &turn).await?;
        if stored.state.revision() == before {
            return Ok(Taken::NoEffect);
        }
        turn.end(tx, &stored);
        set_wake(tx, &mut stored).await?;
        store::update(tx, &stored, before).await?;
        failpoint("saga.turn.before-commit");
        Ok(Taken::Now(stored.state.status))
    }

    /// The timers that are due at `now`, one after the other: the first may clear the next. The timer of the
    /// ledger that woke the saga has been taken.
    pub(super) async fn turn_by_timers(
        &self,
        tx: &mut Tx<'_>,
        mut stored: Stored,
        now: Timestamp,
    ) -> Result<()> {
        let definition = self.0.registry.of(&stored.state).map_err(Error::app)?;
        let before = stored.state.revision();
        let turn = Trace::begin(tx, &stored);
        while let Some(due) =
            stored.state.timers().iter().filter(|set| set.due <= now).min_by_key(|set| set.due)
        {
            let input = Input::TimerFired(due.timer.clone());
            self.step(tx, definition, &mut stored, input, &turn).await?;
        }
        // It may have been woken for a timer that is gone.
        if stored.state.revision() != before {
            turn.end(tx, &stored);
        }
        stored.wake = None;
        set_wake(tx, &mut stored).await?;
        store::update(tx, &stored, before).await?;
        failpoint("saga.wake.before-commit");
        Ok(())
    }

    /// One transition and everything that follows from it, but for storing the state.
    async fn step(
        &self,
        tx: &mut Tx<'_>,
        definition: &Definition,
        stored: &mut Stored,
        input: Input,
        turn: &Trace,
    ) -> Result<()> {
        let now = tx.clock().wall();
        let actions = stored.state.transition(definition, input, now).map_err(Error::app)?;
        for action in &actions {
            match action {
                Action::Send(command) => {
                    // The saga's own context: the deadline of whoever caused this turn is not the command's.
                    let cx = Context::from_trace(turn.of_commands.clone());
                    let message = message::command(command, &self.0.reply_to, &cx, tx.clock());
                    tx.publish(message.map_err(Error::app)?).await?;
                }
                Action::Call(command) => calls::order(tx, command).await?,
                // The state knows its timers; one timer of the ledger wakes it for the first of them.
                Action::SetTimer { .. } | Action::ClearTimer(_) => {}
                Action::Complete { .. } | Action::Cancel(_) | Action::Park { .. } => {
                    if let Some(on_end) = &self.0.on_end {
                        on_end.ended(tx, &stored.state, action).await?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Sees to it that the ledger wakes the saga no later than the first of its timers is due. A timer of the ledger that
/// is due earlier stays: most answers come soon, so it is moved once in a while instead of with every step.
async fn set_wake(tx: &mut Tx<'_>, stored: &mut Stored) -> Result<()> {
    let key = stored.state.id().as_str();
    match (stored.state.timers().iter().map(|set| set.due).min(), stored.wake) {
        (Some(due), set) if set.is_none_or(|set| due < set) => {
            let (owner, key) = (wake::OWNER.to_owned(), key.to_owned());
            tx.set_timer(&Timer { owner, key, due, payload: Default::default() }).await?;
            stored.wake = Some(due);
        }
        (None, Some(_)) => {
            tx.clear_timer(wake::OWNER, key).await?;
            stored.wake = None;
        }
        _ => {}
    }
    Ok(())
}
