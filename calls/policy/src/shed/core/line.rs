//! A line in front of something that can do only so much: who goes next, and who has waited for too long.
//!
//! The highest class goes first. Within a class the first goes first as long as the line gets empty now and then;
//! under overload the last goes first and whoever has waited twice the target is turned away, because callers who
//! came long ago have given up or are about to ("Fail at Scale", ACM Queue 13/8, and folly's `Codel`). Deadlines are
//! looked at again when somebody leaves the line.

use std::collections::VecDeque;
use std::time::Duration;

use mamparo_context::{Criticality, Moment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::codel::Codel;
use super::index;
use crate::config::duration_schema;
use crate::limits::OVERLOAD_LINE_MAX;
use crate::{InvalidConfig, Policy, Reason};

/// How a line is kept short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LineConfig {
    /// Who may wait, at most. Default: `256`.
    #[schemars(range(min = 1, max = 65_536))]
    pub capacity: usize,
    /// A wait that is good enough; one that stays above it for an `interval` is overload. Default: `5ms`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub target: Duration,
    /// How long a line must have stood before it is overload. Default: `100ms`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub interval: Duration,
    /// Longest wait; under overload it is twice the target. Default: `100ms`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub max_wait: Duration,
}

impl Default for LineConfig {
    fn default() -> Self {
        Self {
            capacity: 256,
            target: Duration::from_millis(5),
            interval: Duration::from_millis(100),
            max_wait: Duration::from_millis(100),
        }
    }
}

impl LineConfig {
    /// Whether a line of `policy` can be kept so.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub fn check(&self, policy: Policy) -> Result<(), InvalidConfig> {
        let check = |holds, field, problem| InvalidConfig::unless(holds, policy, field, problem);
        check((1..=OVERLOAD_LINE_MAX).contains(&self.capacity), "line.capacity", "must be 1 to 65536")?;
        check(!self.target.is_zero(), "line.target", "must be above 0")?;
        check(self.interval > self.target, "line.interval", "must be above the target")?;
        check(self.max_wait >= self.target, "line.max_wait", "must not be below the target")
    }
}

/// A place in a [`Line`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    class: usize,
    number: u64,
}

/// Where somebody was put.
#[derive(Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// The place.
    pub place: Place,
    /// When the wait is over at the latest.
    pub until: Moment,
    /// Who had to go for it, and is turned away.
    pub displaced: Option<T>,
}

/// Somebody who has left the front of the line.
#[derive(Debug, PartialEq, Eq)]
pub enum Exit<T> {
    /// It is their turn.
    Turn {
        /// Who.
        what: T,
        /// How long they have waited.
        waited: Duration,
    },
    /// They have waited for too long.
    Late {
        /// Who.
        what: T,
        /// Why they are turned away.
        reason: Reason,
    },
}

#[derive(Debug)]
struct Entry<T> {
    number: u64,
    since: Moment,
    deadline: Moment,
    what: T,
}

/// A bounded line.
#[derive(Debug)]
pub struct Line<T> {
    config: LineConfig,
    classes: [VecDeque<Entry<T>>; 4],
    next: u64,
    codel: Codel,
}

impl<T> Line<T> {
    /// An empty line.
    pub fn new(config: LineConfig) -> Self {
        let codel = Codel::new(config.target, config.interval);
        Self { config, classes: Default::default(), next: 0, codel }
    }

    /// Changes how it is kept; whoever waits goes on waiting.
    pub fn reconfigure(&mut self, config: LineConfig) {
        self.config = config;
        self.codel.reconfigure(config.target, config.interval);
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.classes.iter().map(VecDeque::len).sum()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.classes.iter().all(VecDeque::is_empty)
    }

    /// How many would go before somebody of `class` who came now and waited for their turn.
    pub fn ahead_of(&self, class: Criticality) -> usize {
        self.classes[index(class)..].iter().map(VecDeque::len).sum()
    }

    /// What waits in `class` or above it.
    pub fn waiting_from(&self, class: Criticality) -> impl Iterator<Item = &T> {
        self.classes[index(class)..].iter().flatten().map(|entry| &entry.what)
    }

    /// Whether the line stands, so that the last goes first.
    pub fn is_overloaded(&self) -> bool {
        self.codel.is_overloaded()
    }

    /// Puts `what` into the line. A full line lets go of one who matters less; under overload also of the one of the
    /// same class who has waited longest.
    ///
    /// # Errors
    /// The deadline has passed, or the line is full of what matters more; with `what`.
    pub fn push(
        &mut self,
        class: Criticality,
        deadline: Moment,
        what: T,
        now: Moment,
    ) -> Result<Placed<T>, (Reason, T)> {
        if deadline <= now {
            return Err((Reason::DeadlinePassed, what));
        }
        match self.longest_wait(now) {
            Some(wait) => _ = self.codel.observe(wait, now),
            None => self.codel.begin(now),
        }
        let class = index(class);
        let mut displaced = None;
        if self.len() >= self.config.capacity {
            displaced = self.displace(class);
            if displaced.is_none() {
                return Err((Reason::QueueFull, what));
            }
        }
        self.next += 1;
        let place = Place { class, number: self.next };
        self.classes[class].push_back(Entry { number: self.next, since: now, deadline, what });
        Ok(Placed { place, until: deadline.min(now + self.config.max_wait), displaced })
    }

    /// Who would be the last to go, if they matter less than `class`.
    fn displace(&mut self, class: usize) -> Option<T> {
        let is_overloaded = self.codel.is_overloaded();
        let may_go = if is_overloaded { &mut self.classes[..=class] } else { &mut self.classes[..class] };
        let lowest = may_go.iter_mut().find(|class| !class.is_empty())?;
        let entry = if is_overloaded { lowest.pop_front() } else { lowest.pop_back() };
        entry.map(|entry| entry.what)
    }

    /// Takes somebody out who does not want to wait any more; `None` when they have left already.
    pub fn remove(&mut self, place: Place) -> Option<T> {
        let class = &mut self.classes[place.class];
        let at = class.binary_search_by_key(&place.number, |entry| entry.number).ok()?;
        class.remove(at).map(|entry| entry.what)
    }

    /// Who leaves the line when there is room for one: whoever has waited for too long, one at each call, before the
    /// one whose turn it is.
    pub fn pop(&mut self, now: Moment) -> Option<Exit<T>> {
        let is_overloaded = self.codel.observe(self.longest_wait(now)?, now);
        let exit = match self.pop_late(now) {
            Some(late) => Some(late),
            None => self.pop_turn(is_overloaded, now),
        };
        if self.is_empty() {
            self.codel.observe(Duration::ZERO, now);
        }
        exit
    }

    fn pop_late(&mut self, now: Moment) -> Option<Exit<T>> {
        let (allowed, reason) = (self.allowed(), self.reason());
        let is_late = |oldest: &Entry<T>| now.since(oldest.since) > allowed;
        let class = self.classes.iter_mut().find(|class| class.front().is_some_and(&is_late))?;
        class.pop_front().map(|entry| Exit::Late { what: entry.what, reason })
    }

    fn pop_turn(&mut self, is_overloaded: bool, now: Moment) -> Option<Exit<T>> {
        let class = self.classes.iter_mut().rev().find(|class| !class.is_empty())?;
        let entry = if is_overloaded { class.pop_back()? } else { class.pop_front()? };
        if entry.deadline <= now {
            return Some(Exit::Late { what: entry.what, reason: Reason::DeadlinePassed });
        }
        Some(Exit::Turn { what: entry.what, waited: now.since(entry.since) })
    }

    /// Longest wait as things stand.
    fn allowed(&self) -> Duration {
        match self.codel.is_overloaded() {
            true => self.config.max_wait.min(self.config.target.saturating_mul(2)),
            false => self.config.max_wait,
        }
    }

    /// Why somebody who has waited longer than that is turned away.
    fn reason(&self) -> Reason {
        if self.codel.is_overloaded() { Reason::Overloaded } else { Reason::WaitedTooLong }
    }

    fn longest_wait(&self, now: Moment) -> Option<Duration> {
        let oldest = self.classes.iter().filter_map(VecDeque::front).map(|entry| entry.since).min()?;
        Some(now.since(oldest))
    }
}

#[cfg(test)]
mod tests;
