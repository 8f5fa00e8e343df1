//! Who stands in line for an adaptive limit, and what each of them was told. Every change is made under one lock.

use std::task::Waker;

use mamparo_context::{Criticality, Moment};

use super::AdaptivePass;
use crate::shed::{Exit, Line, LineConfig, Place};
use crate::{Policy, Reason, Refusal};

#[derive(Debug)]
enum Slot {
    /// The place in the list of those that are free.
    Free,
    Waiting {
        place: Place,
        waker: Option<Waker>,
    },
    Granted(AdaptivePass),
    Refused(Refusal),
}

/// What became of somebody who left the line by themselves.
#[derive(Debug)]
pub(super) enum Left {
    /// They had not been answered.
    Waiting,
    /// They had been let go.
    Granted(AdaptivePass),
    /// They had been refused.
    Refused(Refusal),
}

#[derive(Debug)]
pub(super) struct Queue {
    line: Line<usize>,
    slots: Vec<Slot>,
    free: Vec<usize>,
}

impl Queue {
    pub(super) fn new(config: LineConfig) -> Self {
        Self { line: Line::new(config), slots: Vec::new(), free: Vec::new() }
    }

    pub(super) fn reconfigure(&mut self, config: LineConfig) {
        self.line.reconfigure(config);
    }

    pub(super) fn len(&self) -> usize {
        self.line.len()
    }

    pub(super) fn is_overloaded(&self) -> bool {
        self.line.is_overloaded()
    }

    pub(super) fn ahead_of(&self, class: Criticality) -> usize {
        if self.line.is_overloaded() { 0 } else { self.line.ahead_of(class) }
    }

    /// Puts one more into the line; gives their slot, until when they wait, and who is to be woken because they had
    /// to go for it.
    pub(super) fn push(
        &mut self,
        class: Criticality,
        deadline: Moment,
        now: Moment,
        refusal: impl FnOnce(Reason) -> Refusal,
    ) -> Result<(usize, Moment, Option<Waker>), Refusal> {
        let slot = self.free.last().copied().unwrap_or(self.slots.len());
        let placed = match self.line.push(class, deadline, slot, now) {
            Ok(placed) => placed,
            Err((reason, _)) => return Err(refusal(reason)),
        };
        let displaced =
            placed.displaced.and_then(|slot| self.answer(slot, Slot::Refused(refusal(Reason::Overloaded))));
        let waiting = Slot::Waiting { place: placed.place, waker: None };
        if self.free.pop().is_some() {
            self.slots[slot] = waiting;
        } else {
            self.slots.push(waiting);
        }
        Ok((slot, placed.until, displaced))
    }

    /// Who leaves the line when there is room for one.
    pub(super) fn pop(&mut self, now: Moment) -> Option<Exit<usize>> {
        self.line.pop(now)
    }

    pub(super) fn grant(&mut self, slot: usize, pass: AdaptivePass) -> Option<Waker> {
        self.answer(slot, Slot::Granted(pass))
    }

    pub(super) fn refuse(&mut self, slot: usize, refusal: Refusal) -> Option<Waker> {
        self.answer(slot, Slot::Refused(refusal))
    }

    fn answer(&mut self, slot: usize, answer: Slot) -> Option<Waker> {
        match std::mem::replace(&mut self.slots[slot], answer) {
            Slot::Waiting { waker, .. } => waker,
            Slot::Free | Slot::Granted(_) | Slot::Refused(_) => None,
        }
    }

    /// The answer that stands in `slot`, which is free then; else the waker is left there.
    pub(super) fn look(&mut self, slot: usize, waker: &Waker) -> Option<Result<AdaptivePass, Refusal>> {
        if let Slot::Waiting { waker: own, .. } = &mut self.slots[slot] {
            match own {
                Some(own) => own.clone_from(waker),
                None => *own = Some(waker.clone()),
            }
            return None;
        }
        match self.leave(slot) {
            Left::Granted(pass) => Some(Ok(pass)),
            Left::Refused(refusal) => Some(Err(refusal)),
            Left::Waiting => None,
        }
    }

    /// Frees `slot`.
    pub(super) fn leave(&mut self, slot: usize) -> Left {
        let left = match std::mem::replace(&mut self.slots[slot], Slot::Free) {
            Slot::Granted(pass) => Left::Granted(pass),
            Slot::Refused(refusal) => Left::Refused(refusal),
            Slot::Waiting { place, .. } => {
                self.line.remove(place);
                Left::Waiting
            }
            Slot::Free => return Left::Refused(Refusal::new(Policy::Adaptive, Reason::Closed)),
        };
        self.free.push(slot);
        left
    }
}
