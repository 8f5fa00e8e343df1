//! Decides which row of the outbox is sent when. No clock, randomness or I/O: it is told what happened and says
//! what to do.
//!
//! Rows enter in the order of their ids and wait in one line per topic and key. A key is in at most one batch at
//! a time, so that its order survives any number of batches under way. What fails is told apart:
//! - *transient* (the broker is away, or the topic is full): the topic pauses; nobody is to blame.
//! - *refused*: a batch of several is sent again one by one; a single row pauses its key, and is parked after
//!   [`Options::park_after`] refusals.
//!
//! Memory is bounded: of a key or topic that pauses only the first rows stay, and the place of the first row left
//! out is remembered; once it goes on, the outbox is read again from there. Rows read twice are known by their id.

mod window;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use mamparo_broker::Message;
use mamparo_ledger::OutboxRow;

use crate::limits::{
    BATCH_BYTES_MAX, FORGET_MAX, LEDGER_PAUSE, LEDGER_PAUSE_MAX, PAGE_ROWS_MAX, SENT_MAX, SWEEP_MAX,
    WHY_BYTES_MAX,
};
use crate::options::backoff;
use crate::{Options, Status};
use window::{Line, Waiting, Window};

/// What is to be done next.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Read outbox rows after `after`, and tell with [`Core::on_rows`].
    Read {
        /// The last row known.
        after: u64,
        /// Most rows to read.
        max: usize,
    },
    /// Publish a batch, and tell with [`Core::on_published`].
    Publish {
        /// Which batch.
        batch: u64,
        /// Messages of one topic, in order.
        messages: Vec<Message>,
    },
    /// Forget rows that were sent, and tell with [`Core::on_forgotten`].
    Sent {
        /// The rows.
        ids: Vec<u64>,
    },
    /// Park a row, and tell with [`Core::on_parked`].
    Park {
        /// The row.
        id: u64,
        /// What the broker said.
        why: String,
    },
    /// Read one parked row again, and tell with [`Core::on_looked`].
    Look {
        /// The row.
        id: u64,
    },
    /// Nothing to do until something happens, or until this moment.
    WaitUntil(Option<Instant>),
}

/// How a batch failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether the same messages may be accepted later.
    pub transient: bool,
    /// When the broker said that it is worth trying again.
    pub retry_after: Option<Duration>,
    /// What it said.
    pub why: String,
}

/// Something that failed before, and when it may be tried again.
#[derive(Default)]
struct Pause {
    failures: u32,
    until: Option<Instant>,
}

impl Pause {
    fn fail(&mut self, now: Instant, unit: f64) {
        self.failures = self.failures.saturating_add(1);
        self.until = now.checked_add(backoff(LEDGER_PAUSE, LEDGER_PAUSE_MAX, self.failures, unit));
    }

    fn is_over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }
}

struct Reading {
    generation: u64,
    head: u64,
    max: usize,
}

/// The decisions of a relay.
pub struct Core {
    options: Options,
    window: Window,
    batches: HashMap<u64, Vec<Waiting>>,
    next_batch: u64,
    /// The last row read, and the last one that there is.
    cursor: u64,
    head: u64,
    /// Grows when the outbox must be read again from an earlier row: what was being read is void.
    generation: u64,
    reading: Option<Reading>,
    read_pause: Pause,
    to_forget: Vec<u64>,
    forgetting: Vec<u64>,
    forget_pause: Pause,
    /// Rows to be parked, each with the reason; the line of each stays held until that is on disk.
    to_park: Vec<(Waiting, String)>,
    parking: Option<(Waiting, String)>,
    park_pause: Pause,
    looks: Vec<u64>,
    looking: bool,
    sent: u64,
    failures: u64,
    last_error: Option<String>,
}

impl Core {
    /// A relay that has seen nothing yet.
    pub fn new(options: Options) -> Self {
        Self {
            options: options.in_range(),
            window: Window::default(),
            batches: HashMap::new(),
            next_batch: 0,
            cursor: 0,
            head: 0,
            generation: 0,
            reading: None,
            read_pause: Pause::default(),
            to_forget: Vec::new(),
            forgetting: Vec::new(),
            forget_pause: Pause::default(),
            to_park: Vec::new(),
            parking: None,
            park_pause: Pause::default(),
            looks: Vec::new(),
            looking: false,
            sent: 0,
            failures: 0,
            last_error: None,
        }
    }

    /// The outbox has rows up to `head`.
    pub fn on_head(&mut self, head: u64) {
        self.head = self.head.max(head);
    }

    /// Parked rows are to be looked at.
    pub fn on_sweep(&mut self) {
        if self.looks.is_empty() {
            self.looks = self.window.parked.iter().copied().take(SWEEP_MAX).collect();
        }
    }

    /// What is to be done now; asked until it answers [`Action::WaitUntil`].
    pub fn next(&mut self, now: Instant) -> Action {
        self.window.wake(now);
        self.park(now)
            .or_else(|| self.forget(now))
            .or_else(|| self.publish(now))
            .or_else(|| self.read(now))
            .or_else(|| self.look())
            .unwrap_or_else(|| Action::WaitUntil(self.wake_at(now)))
    }

    /// What is still to be done for what was accepted already; [`Action::WaitUntil`] when nothing is. Publishes
    /// and reads nothing more: what a relay that stops asks.
    pub fn next_before_end(&mut self, now: Instant) -> Action {
        self.forget(now).unwrap_or(Action::WaitUntil(self.forget_pause.until.filter(|until| *until > now)))
    }

    fn park(&mut self, now: Instant) -> Option<Action> {
        if self.parking.is_some() || !self.park_pause.is_over(now) {
            return None;
        }
        let (row, why) = self.to_park.pop()?;
        let action = Action::Park { id: row.id, why: why.clone() };
        self.parking = Some((row, why));
        Some(action)
    }

    fn forget(&mut self, now: Instant) -> Option<Action> {
        if !self.forgetting.is_empty() || self.to_forget.is_empty() || !self.forget_pause.is_over(now) {
            return None;
        }
        let rest = self.to_forget.split_off(self.to_forget.len().min(FORGET_MAX));
        self.forgetting = std::mem::replace(&mut self.to_forget, rest);
        Some(Action::Sent { ids: self.forgetting.clone() })
    }

    fn publish(&mut self, now: Instant) -> Option<Action> {
        if self.batches.len() >= self.options.in_flight || self.window.sent.len() >= SENT_MAX {
            return None;
        }
        let rows = self.window.take_batch(now, self.options.batch, BATCH_BYTES_MAX)?;
        let messages = rows.iter().map(|row| row.message.clone()).collect();
        self.next_batch += 1;
        self.batches.insert(self.next_batch, rows);
        Some(Action::Publish { batch: self.next_batch, messages })
    }

    fn read(&mut self, now: Instant) -> Option<Action> {
        let room = self.window.room(self.options.window).min(PAGE_ROWS_MAX);
        let full = room == 0 || self.window.sent.len() >= SENT_MAX;
        if full || self.reading.is_some() || self.cursor >= self.head || !self.read_pause.is_over(now) {
            return None;
        }
        self.reading = Some(Reading { generation: self.generation, head: self.head, max: room });
        Some(Action::Read { after: self.cursor, max: room })
    }

    fn look(&mut self) -> Option<Action> {
        if self.looking {
            return None;
        }
        let id = self.looks.pop()?;
        self.looking = true;
        Some(Action::Look { id })
    }

    fn wake_at(&self, now: Instant) -> Option<Instant> {
        let ledger = [&self.read_pause, &self.forget_pause, &self.park_pause];
        let pauses = ledger.into_iter().filter_map(|pause| pause.until).filter(|until| *until > now);
        pauses.chain(self.window.wake_at(now)).min()
    }

    /// The page asked for with [`Action::Read`]; `None` when it could not be read.
    pub fn on_rows(&mut self, rows: Option<Vec<OutboxRow>>, now: Instant, unit: f64) {
        let Some(reading) = self.reading.take() else { return };
        match rows {
            None => self.read_pause.fail(now, unit),
            Some(rows) => {
                self.read_pause = Pause::default();
                if reading.generation == self.generation {
                    self.take_page(&reading, rows, now);
                }
            }
        }
        self.window.forget_deferred();
    }

    fn take_page(&mut self, reading: &Reading, rows: Vec<OutboxRow>, now: Instant) {
        let last_page = rows.len() < reading.max;
        for row in rows {
            self.cursor = self.cursor.max(row.id);
            self.window.admit(row, now);
        }
        if last_page {
            self.cursor = self.cursor.max(reading.head);
        }
    }

    /// What became of a batch.
    pub fn on_published(&mut self, batch: u64, result: Result<(), Failure>, now: Instant, unit: f64) {
        let Some(rows) = self.batches.remove(&batch) else { return };
        match result {
            Ok(()) => {
                self.sent += rows.len() as u64;
                self.to_forget.extend(rows.iter().map(|row| row.id));
                if let Some(from) = self.window.sent(rows) {
                    self.rewind(from);
                }
            }
            Err(failure) => self.failed(rows, failure, now, unit),
        }
    }

    fn failed(&mut self, mut rows: Vec<Waiting>, failure: Failure, now: Instant, unit: f64) {
        self.failures += 1;
        self.last_error = Some(failure.why.clone());
        if failure.transient {
            let failures = self.window.topic_failures(&rows) + 1;
            let pause = self.options.pause(failures, unit).max(failure.retry_after.unwrap_or_default());
            self.window.pause_topic(rows, now.checked_add(pause).unwrap_or(now));
        } else if rows.len() > 1 {
            for row in &mut rows {
                row.alone = true;
            }
            self.window.put_back(rows);
        } else if let Some(mut row) = rows.pop() {
            row.refusals += 1;
            if row.refusals >= self.options.park_after {
                self.to_park.push((row, shorten(failure.why)));
            } else {
                let pause = self.options.pause(row.refusals, unit);
                self.window.pause_line(row, now.checked_add(pause).unwrap_or(now));
            }
        }
    }

    /// Whether the rows of [`Action::Sent`] were forgotten.
    pub fn on_forgotten(&mut self, done: bool, now: Instant, unit: f64) {
        let ids = std::mem::take(&mut self.forgetting);
        if done {
            self.forget_pause = Pause::default();
            self.window.forgotten(&ids, self.reading.is_some());
        } else {
            self.forget_pause.fail(now, unit);
            self.to_forget.extend(ids);
        }
    }

    /// Whether the row of [`Action::Park`] was parked.
    pub fn on_parked(&mut self, done: bool, now: Instant, unit: f64) {
        let Some((row, why)) = self.parking.take() else { return };
        if done {
            self.park_pause = Pause::default();
            if let Some(from) = self.window.parked(row, self.reading.is_some()) {
                self.rewind(from);
            }
        } else {
            self.park_pause.fail(now, unit);
            self.to_park.push((row, why));
        }
    }

    /// What the parked row `id` is by now: still parked, let go again, or gone (`None`).
    pub fn on_looked(&mut self, id: u64, row: Option<OutboxRow>, now: Instant) {
        self.looking = false;
        let row = row.filter(|row| row.id == id);
        let still_parked = row.as_ref().is_some_and(|row| row.parked.is_some());
        // A row in `sent` was parked a moment ago: the next sweep looks at it again.
        if still_parked || self.window.sent.contains(&id) {
            return;
        }
        self.window.parked.remove(&id);
        if let Some(row) = row {
            self.window.admit(row, now);
        }
    }

    /// A look failed; the next sweep looks again.
    pub fn on_look_failed(&mut self) {
        self.looking = false;
        self.looks.clear();
    }

    fn rewind(&mut self, from: u64) {
        self.generation += 1;
        self.cursor = self.cursor.min(from.saturating_sub(1));
    }

    /// How it stands.
    pub fn status(&self, now: Instant) -> Status {
        let (blocked_topics, blocked_keys) = self.window.blocked(now);
        Status {
            waiting: self.window.waiting.len(),
            unread: self.head.saturating_sub(self.cursor),
            oldest: self.window.waiting.values().next().copied(),
            parked: self.window.parked.len(),
            blocked_topics,
            blocked_keys,
            sent: self.sent,
            failures: self.failures,
            last_error: self.last_error.clone(),
        }
    }
}

fn shorten(mut why: String) -> String {
    let end = (0..=WHY_BYTES_MAX.min(why.len())).rev().find(|at| why.is_char_boundary(*at));
    why.truncate(end.unwrap_or(0));
    why
}

/// Lines that pause, by when they go on.
type Paused = BTreeMap<(Instant, u64), Line>;
