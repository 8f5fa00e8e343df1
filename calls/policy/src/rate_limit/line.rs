//! Calls that wait for tokens: first come, first served, whatever they cost. Time alone decides; whoever looks at
//! the line first answers all whose turn has come.

use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Duration;

use mamparo_context::Moment;

use super::bucket::Held;
use super::core;
use crate::limits::RATE_CATCH_UP_MAX;
use crate::{Policy, Reason, Refusal};

/// What a call that waits is answered.
pub(super) type Answer = Result<(), Refusal>;

#[derive(Debug)]
struct Waiter {
    cost: u64,
    /// It must have its turn by then, or it is not worth waiting.
    until: u64,
    /// Nobody wants the answer after this.
    deadline: u64,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Answered {
    answer: Answer,
    cost: u64,
}

/// What a place in the line has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It was answered, and is no more.
    Answered(Answer),
    /// It is the first: its turn comes at this tick, and it must see to it that it is woken.
    First(u64),
    /// It will be woken.
    Behind,
}

/// The line.
#[derive(Debug)]
pub(super) struct Line {
    /// In the order of their coming.
    waiting: BTreeMap<u64, Waiter>,
    /// Who was answered and has not come to hear it.
    answered: BTreeMap<u64, Answered>,
    /// The cost of all who wait.
    cost: u64,
    next: u64,
    queue: usize,
    wait: Duration,
}

impl Line {
    pub(super) fn new(queue: u32, wait: Duration) -> Self {
        let (waiting, answered) = (BTreeMap::new(), BTreeMap::new());
        Self { waiting, answered, cost: 0, next: 0, queue: queue as usize, wait }
    }

    pub(super) fn somebody_waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Changes how many may wait, and for how long. Who waits already stays.
    pub(super) fn resize(&mut self, queue: u32, wait: Duration) {
        self.queue = queue as usize;
        self.wait = wait;
    }

    /// A call comes: `Ok(None)` when it may go at once, else its place.
    pub(super) fn join(
        &mut self,
        held: &mut Held,
        cost: u64,
        deadline: Option<Moment>,
        now: Moment,
    ) -> Result<Option<u64>, Refusal> {
        let ticks = core::ticks(now);
        let due = if self.waiting.is_empty() {
            match core::take(held.tat, held.price, cost, ticks) {
                Ok(tat) => {
                    held.tat = tat;
                    return Ok(None);
                }
                Err(due) => due,
            }
        } else {
            core::due(held.tat, held.price, self.cost, cost)
        };
        let refuse = |reason| {
            Refusal::new(Policy::RateLimit, reason).retry_after(core::span(due.saturating_sub(ticks)))
        };
        if self.queue == 0 {
            return Err(refuse(Reason::OverQuota));
        }
        if self.waiting.len() + self.answered.len() >= self.queue {
            return Err(refuse(Reason::QueueFull));
        }
        let deadline = core::ticks(deadline.unwrap_or(Moment::NEVER));
        let until = core::ticks(now + self.wait).min(deadline);
        if due > until {
            return Err(refuse(Reason::WaitTooLong));
        }
        let id = self.next;
        self.next += 1;
        self.cost = self.cost.saturating_add(cost);
        self.waiting.insert(id, Waiter { cost, until, deadline, waker: None });
        Ok(Some(id))
    }

    /// Answers all whose turn has come at `now`, and says whom to wake: they, and who is the first after them.
    pub(super) fn settle(&mut self, held: &mut Held, now: Moment, wake: &mut Vec<Waker>) {
        let ticks = core::ticks(now);
        let catch_up = ticks.saturating_sub(core::ticks(Moment::ZERO + RATE_CATCH_UP_MAX));
        let mut moved = false;
        while let Some(first) = self.waiting.first_entry() {
            let waiter = first.get();
            let refuse = |reason| Err(Refusal::new(Policy::RateLimit, reason));
            let due = core::due(held.tat, held.price, 0, waiter.cost);
            let answer = if ticks > waiter.deadline {
                refuse(Reason::WaitedTooLong)
            } else if due <= ticks {
                // It goes as of the moment when it could have gone: a timer that is late costs no part of the rate.
                match core::take(held.tat, held.price, waiter.cost, due.max(catch_up)) {
                    Ok(tat) => held.tat = tat,
                    Err(_) => break,
                }
                Ok(())
            } else if due > waiter.until || !held.price.can_ever(waiter.cost) {
                refuse(Reason::WaitTooLong)
                    .map_err(|refusal| refusal.retry_after(core::span(due.saturating_sub(ticks))))
            } else {
                break;
            };
            let (id, waiter) = first.remove_entry();
            self.cost = self.cost.saturating_sub(waiter.cost);
            self.answered.insert(id, Answered { answer, cost: waiter.cost });
            wake.extend(waiter.waker);
            moved = true;
        }
        if moved {
            self.wake_first(wake);
        }
    }

    /// After a change of the quota: refuses those for whom the wait has become too long.
    pub(super) fn review(&mut self, held: &Held, now: Moment, wake: &mut Vec<Waker>) {
        let ticks = core::ticks(now);
        let mut ahead = 0_u64;
        let answered = &mut self.answered;
        self.waiting.retain(|&id, waiter| {
            let due = core::due(held.tat, held.price, ahead, waiter.cost);
            if due <= waiter.until && held.price.can_ever(waiter.cost) {
                ahead = ahead.saturating_add(waiter.cost);
                return true;
            }
            let refusal = Refusal::new(Policy::RateLimit, Reason::WaitTooLong)
                .retry_after(core::span(due.saturating_sub(ticks)));
            answered.insert(id, Answered { answer: Err(refusal), cost: waiter.cost });
            wake.extend(waiter.waker.take());
            false
        });
        self.cost = ahead;
        self.wake_first(wake);
    }

    /// The first has to look at the time again.
    pub(super) fn wake_first(&mut self, wake: &mut Vec<Waker>) {
        if let Some(mut first) = self.waiting.first_entry() {
            wake.extend(first.get_mut().waker.take());
        }
    }

    /// Whoever has place `id` looks at the line itself, and need not be woken for what it will see now.
    pub(super) fn is_here(&mut self, id: u64) {
        if let Some(waiter) = self.waiting.get_mut(&id) {
            waiter.waker = None;
        }
    }

    /// What has become of place `id`; if it must wait on, `waker` is how to reach it.
    pub(super) fn place(&mut self, id: u64, held: &Held, waker: &Waker) -> Place {
        if let Some(answered) = self.answered.remove(&id) {
            return Place::Answered(answered.answer);
        }
        let is_first = self.waiting.first_key_value().is_some_and(|(first, _)| *first == id);
        match self.waiting.get_mut(&id) {
            Some(waiter) => {
                waiter.waker = Some(waker.clone());
                match is_first {
                    true => Place::First(core::due(held.tat, held.price, 0, waiter.cost)),
                    false => Place::Behind,
                }
            }
            // A ticket that was answered already is polled again, against its contract.
            None => Place::Behind,
        }
    }

    /// Gives up place `id`. Tokens that it was given and has not come for go back.
    pub(super) fn leave(&mut self, id: u64, held: &mut Held, wake: &mut Vec<Waker>) {
        if let Some(answered) = self.answered.remove(&id) {
            if answered.answer.is_ok() {
                held.tat = core::refund(held.tat, held.price, answered.cost);
                self.wake_first(wake);
            }
            return;
        }
        let was_first = self.waiting.first_key_value().is_some_and(|(first, _)| *first == id);
        if let Some(waiter) = self.waiting.remove(&id) {
            self.cost = self.cost.saturating_sub(waiter.cost);
            if was_first {
                self.wake_first(wake);
            }
        }
    }
}
