//! Decides what a subscription does next. No clock, randomness or I/O: it is told what happened and says what to
//! do.
//!
//! Messages of one key run one after another where the queue keeps their order; when one of them is to be tried
//! again, those behind it are given back so that they do not overtake it.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mamparo_broker::limits::BATCH_MAX;
use mamparo_broker::{Delivery, Receipt};

use crate::limits::{ACKS_MAX, BROKER_PAUSE};
use crate::{Options, Verdict};

/// What is to be done next.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Lease up to `max` messages, and tell with [`Core::on_leased`].
    Lease {
        /// Most messages.
        max: usize,
    },
    /// Run the handler, and tell with [`Core::on_handled`].
    Start(Delivery),
    /// Acknowledge, and tell with [`Core::on_acked`].
    Ack(Vec<Receipt>),
    /// Give a message back, to be delivered again after `after`.
    Nack {
        /// Which.
        receipt: Receipt,
        /// Not before.
        after: Duration,
        /// Why it failed.
        error: String,
    },
    /// Make a message a dead letter.
    Reject {
        /// Which.
        receipt: Receipt,
        /// Why it failed.
        error: String,
    },
    /// Give messages back at once; not an attempt.
    Release(Vec<Receipt>),
    /// Extend the leases of all that is held.
    Extend(Vec<Receipt>),
    /// Nothing to do until something happens, or until this moment.
    WaitUntil(Option<Instant>),
}

/// The decisions of one subscription.
pub struct Core {
    options: Options,
    keep_order: bool,
    ready: VecDeque<Delivery>,
    /// Keys of which one message is ready or runs, with those that wait for it.
    lines: HashMap<Arc<str>, VecDeque<Delivery>>,
    running: HashMap<Receipt, Option<Arc<str>>>,
    settle: VecDeque<Action>,
    acks: Vec<Receipt>,
    acking: Vec<Receipt>,
    acks_again: Option<Instant>,
    leasing: bool,
    lease_again: Option<Instant>,
    extend_at: Option<Instant>,
    stopping: bool,
}

impl Core {
    /// A subscription that has seen nothing; `keep_order` when the queue keeps the order of keys.
    pub fn new(options: Options, keep_order: bool) -> Self {
        Self {
            options: options.in_range(),
            keep_order,
            ready: VecDeque::new(),
            lines: HashMap::new(),
            running: HashMap::new(),
            settle: VecDeque::new(),
            acks: Vec::new(),
            acking: Vec::new(),
            acks_again: None,
            leasing: false,
            lease_again: None,
            extend_at: None,
            stopping: false,
        }
    }

    /// How many handlers run.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    fn held(&self) -> usize {
        self.running.len() + self.ready.len() + self.lines.values().map(VecDeque::len).sum::<usize>()
    }

    /// What is to be done now; asked until it answers [`Action::WaitUntil`].
    pub fn next(&mut self, now: Instant) -> Action {
        if let Some(action) = self.settle.pop_front() {
            return action;
        }
        if self.acking.is_empty() && !self.acks.is_empty() && over(self.acks_again, now) {
            let rest = self.acks.split_off(self.acks.len().min(BATCH_MAX));
            self.acking = std::mem::replace(&mut self.acks, rest);
            return Action::Ack(self.acking.clone());
        }
        if self.running.len() < self.options.concurrency
            && let Some(delivery) = self.ready.pop_front()
        {
            self.running.insert(delivery.receipt.clone(), self.line(&delivery));
            return Action::Start(delivery);
        }
        if self.extend_at.is_some_and(|at| at <= now) {
            self.extend_at = None;
            let receipts = self.receipts();
            if !receipts.is_empty() {
                self.extend_at = now.checked_add(self.options.visibility / 3);
                return Action::Extend(receipts);
            }
        }
        if let Some(max) = self.may_lease(now) {
            self.leasing = true;
            return Action::Lease { max };
        }
        let pauses = [self.acks_again, self.lease_again, self.extend_at];
        Action::WaitUntil(pauses.into_iter().flatten().filter(|until| *until > now).min())
    }

    fn may_lease(&self, now: Instant) -> Option<usize> {
        let full = self.acks.len() >= ACKS_MAX;
        if self.leasing || self.stopping || full || !over(self.lease_again, now) {
            return None;
        }
        let room = (self.options.concurrency + self.options.prefetch).saturating_sub(self.held());
        (room > 0).then_some(room.min(BATCH_MAX))
    }

    fn receipts(&self) -> Vec<Receipt> {
        let waiting =
            self.ready.iter().chain(self.lines.values().flatten()).map(|delivery| &delivery.receipt);
        self.running.keys().chain(waiting).chain(&self.acks).chain(&self.acking).cloned().collect()
    }

    fn line(&self, delivery: &Delivery) -> Option<Arc<str>> {
        delivery.message.key.clone().filter(|_| self.keep_order)
    }

    /// What was leased; `None` when the broker failed.
    pub fn on_leased(&mut self, deliveries: Option<Vec<Delivery>>, now: Instant) {
        self.leasing = false;
        let Some(deliveries) = deliveries else {
            self.lease_again = now.checked_add(BROKER_PAUSE);
            return;
        };
        if self.stopping || !over(self.lease_again, now) {
            self.release(deliveries);
            return;
        }
        if !deliveries.is_empty() && self.extend_at.is_none() {
            self.extend_at = now.checked_add(self.options.visibility / 3);
        }
        for delivery in deliveries {
            match self.line(&delivery) {
                Some(key) => match self.lines.get_mut(&key) {
                    Some(line) => line.push_back(delivery),
                    None => {
                        self.lines.insert(key, VecDeque::new());
                        self.ready.push_back(delivery);
                    }
                },
                None => self.ready.push_back(delivery),
            }
        }
    }

    /// Nobody was asked for messages.
    pub fn on_not_leased(&mut self) {
        self.leasing = false;
    }

    /// What became of a message that was started.
    pub fn on_handled(&mut self, receipt: Receipt, verdict: Verdict, now: Instant) {
        let Some(key) = self.running.remove(&receipt) else { return };
        match verdict {
            Verdict::Done => {
                self.acks.push(receipt);
                self.go_on(key);
            }
            Verdict::Dead { error } => {
                self.settle.push_back(Action::Reject { receipt, error });
                self.go_on(key);
            }
            Verdict::Again { after, error } => {
                self.settle.push_back(Action::Nack { receipt, after, error });
                let behind = key.and_then(|key| self.lines.remove(&key)).unwrap_or_default();
                self.release(behind);
            }
            Verdict::Pause { after } => {
                let until = now.checked_add(after);
                self.lease_again = self.lease_again.max(until);
                let behind = key.and_then(|key| self.lines.remove(&key)).unwrap_or_default();
                self.settle.push_back(Action::Release(vec![receipt]));
                self.release(behind);
                self.give_back();
            }
        }
    }

    /// The next message of a key can run.
    fn go_on(&mut self, key: Option<Arc<str>>) {
        let Some(key) = key else { return };
        match self.lines.get_mut(&key).and_then(VecDeque::pop_front) {
            Some(next) => self.ready.push_back(next),
            None => {
                self.lines.remove(&key);
            }
        }
    }

    fn release(&mut self, deliveries: impl IntoIterator<Item = Delivery>) {
        let receipts: Vec<Receipt> = deliveries.into_iter().map(|delivery| delivery.receipt).collect();
        for part in receipts.chunks(BATCH_MAX) {
            self.settle.push_back(Action::Release(part.to_vec()));
        }
    }

    /// Gives back everything that was not started.
    fn give_back(&mut self) {
        let mut unstarted: Vec<Delivery> = self.ready.drain(..).collect();
        let running: HashSet<&Arc<str>> = self.running.values().flatten().collect();
        for line in self.lines.values_mut() {
            unstarted.extend(line.drain(..));
        }
        self.lines.retain(|key, _| running.contains(key));
        self.release(unstarted);
    }

    /// Whether the last [`Action::Ack`] reached the broker.
    pub fn on_acked(&mut self, done: bool, now: Instant) {
        let receipts = std::mem::take(&mut self.acking);
        if done {
            self.acks_again = None;
        } else if self.acks.len() < ACKS_MAX {
            self.acks.extend(receipts);
            self.acks_again = now.checked_add(BROKER_PAUSE);
        }
        // Beyond that they are dropped: the messages come again, and the inbox knows them.
    }

    /// No more is leased or started; what was not started is given back.
    pub fn stop(&mut self) {
        self.stopping = true;
        self.give_back();
    }

    /// Whether a stopped subscription has nothing left to do.
    pub fn is_done(&self) -> bool {
        let settled = self.settle.is_empty() && self.acks.is_empty() && self.acking.is_empty();
        self.stopping && settled && !self.leasing && self.running.is_empty()
    }
}

fn over(until: Option<Instant>, now: Instant) -> bool {
    until.is_none_or(|until| until <= now)
}
