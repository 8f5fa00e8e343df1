//! Decides whose turn it is: first come, first served, and nobody whose time is over.

use std::collections::{HashSet, VecDeque};

use mamparo_context::Moment;

/// Who waits, with something of the shell's (a waker) to call them by.
#[derive(Clone, Debug)]
pub(super) struct Line<W> {
    waiting: VecDeque<Waiting<W>>,
    /// Whose turn has come, and who has not heard of it yet.
    called: HashSet<u64>,
    next: u64,
}

#[derive(Clone, Debug)]
struct Waiting<W> {
    number: u64,
    until: Moment,
    by: Option<W>,
}

/// How it stands with one who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Called,
    Waits,
    /// The time was over before the turn came.
    Gone,
}

impl<W> Line<W> {
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new(), called: HashSet::new(), next: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// One more waits, until `until` at most: its number.
    pub(super) fn join(&mut self, until: Moment) -> u64 {
        let number = self.next;
        self.next += 1;
        self.waiting.push_back(Waiting { number, until, by: None });
        number
    }

    /// How it stands with `number`; if it has been called, it has heard of it now.
    pub(super) fn turn(&mut self, number: u64) -> Turn {
        if self.called.remove(&number) {
            Turn::Called
        } else if self.place(number).is_some() {
            Turn::Waits
        } else {
            Turn::Gone
        }
    }

    /// By what `number` is to be called from now on.
    pub(super) fn call_by(&mut self, number: u64, same: impl FnOnce(&W) -> bool, by: impl FnOnce() -> W) {
        if let Some(place) = self.place(number) {
            let own = &mut self.waiting[place].by;
            if !own.as_ref().is_some_and(same) {
                *own = Some(by());
            }
        }
    }

    /// Calls the first whose time is not over, and lets go those before it: by what each is called, and whether
    /// somebody has the turn now.
    pub(super) fn call(&mut self, now: Moment, mut tell: impl FnMut(Option<W>)) -> Called {
        let mut gone = 0;
        while let Some(first) = self.waiting.pop_front() {
            let late = first.until <= now;
            tell(first.by);
            if late {
                gone += 1;
            } else {
                self.called.insert(first.number);
                return Called { gone, somebody: true };
            }
        }
        Called { gone, somebody: false }
    }

    /// `number` goes: how it stood with it.
    pub(super) fn leave(&mut self, number: u64) -> Turn {
        if self.called.remove(&number) {
            return Turn::Called;
        }
        match self.place(number) {
            Some(place) => {
                self.waiting.remove(place);
                Turn::Waits
            }
            None => Turn::Gone,
        }
    }

    /// Numbers rise from the front to the back.
    fn place(&self, number: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&number, |waiting| waiting.number).ok()
    }
}

/// What calling came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Called {
    /// How many were let go because their time was over.
    pub(super) gone: u64,
    /// Whether somebody has the turn.
    pub(super) somebody: bool,
}
