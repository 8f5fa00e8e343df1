//! The rows in memory: a line for each topic and key, and what is known about rows that left it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use mamparo_context::Timestamp;
use mamparo_ledger::{Message, OutboxRow};

use super::Paused;
use crate::limits::{BLOCKED_TOPIC_ROWS, PARKED_MAX, TOPICS_MAX, WINDOW_BYTES_MAX};

/// Rows that must keep their order among each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Line {
    /// Rows of one topic and key.
    Key(Arc<str>, Arc<str>),
    /// One row without a key.
    Free(u64),
}

/// A row that waits to be accepted by the broker.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) id: u64,
    pub(super) message: Message,
    /// How often it alone was refused.
    pub(super) refusals: u32,
    /// It was in a batch that was refused: it is sent alone.
    pub(super) alone: bool,
}

impl Waiting {
    fn line(&self) -> Line {
        match &self.message.key {
            Some(key) => Line::Key(Arc::clone(&self.message.topic), Arc::clone(key)),
            None => Line::Free(self.id),
        }
    }
}

#[derive(Default)]
struct Queue {
    rows: VecDeque<Waiting>,
    /// Its first rows are in a batch, or being parked.
    away: bool,
    paused_until: Option<Instant>,
    /// The first row that was left out.
    left_out: Option<u64>,
}

#[derive(Default)]
struct Topic {
    /// Lines that can be sent, by their first row.
    ready: BTreeMap<u64, Line>,
    paused_until: Option<Instant>,
    failures: u32,
    left_out: Option<u64>,
    held: usize,
}

impl Topic {
    fn is_paused(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| until > now)
    }
}

/// All rows in memory.
#[derive(Default)]
pub(super) struct Window {
    topics: HashMap<Arc<str>, Topic>,
    lines: HashMap<Line, Queue>,
    paused: Paused,
    bytes: usize,
    /// Rows in memory that the broker has not accepted, with the moment they were published.
    pub(super) waiting: BTreeMap<u64, Timestamp>,
    /// Rows that it has accepted and that are not forgotten yet.
    pub(super) sent: HashSet<u64>,
    /// Rows that wait for a person.
    pub(super) parked: BTreeSet<u64>,
    /// Rows that are gone, but may be in the page that is being read.
    deferred: Vec<u64>,
}

impl Window {
    /// How many more rows may be read.
    pub(super) fn room(&self, max: usize) -> usize {
        let rows = max.saturating_sub(self.waiting.len());
        let average = (self.bytes / self.waiting.len().max(1)).max(256);
        rows.min(WINDOW_BYTES_MAX.saturating_sub(self.bytes) / average)
    }

    /// Takes a row that was read, unless it is known, parked or to be left out for now.
    pub(super) fn admit(&mut self, row: OutboxRow, now: Instant) {
        if row.parked.is_some() {
            if self.parked.len() < PARKED_MAX {
                self.parked.insert(row.id);
            }
            return;
        }
        if self.waiting.contains_key(&row.id) || self.sent.contains(&row.id) {
            return;
        }
        let waiting = Waiting { id: row.id, message: row.message, refusals: 0, alone: false };
        let name = waiting.line();
        if self.topics.len() > TOPICS_MAX {
            self.topics.retain(|_, topic| topic.held > 0 || topic.left_out.is_some() || topic.failures > 0);
        }
        let topic = self.topics.entry(Arc::clone(&waiting.message.topic)).or_default();
        if topic.left_out.is_some_and(|first| first <= waiting.id) {
            return;
        }
        if topic.is_paused(now) && topic.held >= BLOCKED_TOPIC_ROWS {
            topic.left_out = Some(waiting.id);
            return;
        }
        let queue = self.lines.entry(name.clone()).or_default();
        if queue.left_out.is_some_and(|first| first <= waiting.id) {
            return;
        }
        if queue.paused_until.is_some() && queue.rows.front().is_some_and(|first| first.id < waiting.id) {
            queue.left_out = Some(waiting.id);
            return;
        }
        topic.held += 1;
        self.bytes += waiting.message.size();
        self.waiting.insert(waiting.id, row.at);
        let first = queue.rows.front().map(|row| row.id);
        let at = queue.rows.partition_point(|row| row.id < waiting.id);
        queue.rows.insert(at, waiting);
        if !queue.away && queue.paused_until.is_none() {
            if let Some(first) = first {
                topic.ready.remove(&first);
            }
            topic.ready.insert(queue.rows[0].id, name);
        }
    }

    /// Lines whose pause is over can be sent again.
    pub(super) fn wake(&mut self, now: Instant) {
        while let Some(entry) = self.paused.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let name = entry.remove();
            let Some(queue) = self.lines.get_mut(&name) else { continue };
            queue.paused_until = None;
            if let (Some(first), false) = (queue.rows.front(), queue.away)
                && let Some(topic) = self.topics.get_mut(&first.message.topic)
            {
                topic.ready.insert(first.id, name);
            }
        }
    }

    /// When a line or topic that has something to send goes on.
    pub(super) fn wake_at(&self, now: Instant) -> Option<Instant> {
        let lines = self.paused.keys().next().map(|(until, _)| *until);
        let topics = self.topics.values().filter(|topic| !topic.ready.is_empty());
        topics.filter_map(|topic| topic.paused_until).filter(|until| *until > now).chain(lines).min()
    }

    /// The next batch: rows of the topic whose first row is the oldest.
    pub(super) fn take_batch(&mut self, now: Instant, max: usize, max_bytes: usize) -> Option<Vec<Waiting>> {
        let ready = self.topics.values_mut().filter(|topic| !topic.is_paused(now));
        let oldest = ready.filter_map(|topic| Some((*topic.ready.keys().next()?, topic)));
        let (_, topic) = oldest.min_by_key(|(first, _)| *first)?;
        let mut rows: Vec<Waiting> = Vec::new();
        let mut bytes = 0;
        while rows.len() < max && bytes < max_bytes {
            let Some(first) = topic.ready.first_entry() else { break };
            let Some(queue) = self.lines.get_mut(first.get()) else {
                first.remove();
                continue;
            };
            if queue.rows.front().is_some_and(|row| row.alone) && !rows.is_empty() {
                break;
            }
            let name = first.remove();
            let Some(row) = queue.rows.pop_front() else { continue };
            let alone = row.alone;
            queue.away = true;
            if let Some(next) = queue.rows.front() {
                topic.ready.insert(next.id, name);
            }
            bytes += row.message.size();
            rows.push(row);
            if alone {
                break;
            }
        }
        // What follows in the lines of this batch waits for it.
        for row in &rows {
            if let Some(next) = self.lines.get(&row.line()).and_then(|queue| queue.rows.front()) {
                topic.ready.remove(&next.id);
            }
        }
        (!rows.is_empty()).then_some(rows)
    }

    /// The broker accepted these rows. Answers where to read again from, if rows were left out behind them.
    pub(super) fn sent(&mut self, rows: Vec<Waiting>) -> Option<u64> {
        let mut again = None;
        if let Some(topic) = rows.first().and_then(|row| self.topics.get_mut(&row.message.topic)) {
            topic.failures = 0;
            topic.paused_until = None;
            again = topic.left_out.take();
        }
        for row in rows {
            self.sent.insert(row.id);
            again = earlier(again, self.leave(&row));
        }
        again
    }

    /// This row is parked. Answers as [`Self::sent`] does.
    pub(super) fn parked(&mut self, row: Waiting, reading: bool) -> Option<u64> {
        if self.parked.len() < PARKED_MAX {
            self.parked.insert(row.id);
        }
        let again = self.leave(&row);
        if reading {
            // The page under way may still show it as not parked.
            self.sent.insert(row.id);
            self.deferred.push(row.id);
        }
        again
    }

    /// A row leaves memory for good, and its line goes on.
    fn leave(&mut self, row: &Waiting) -> Option<u64> {
        self.waiting.remove(&row.id);
        self.bytes = self.bytes.saturating_sub(row.message.size());
        let name = row.line();
        let topic = self.topics.get_mut(&row.message.topic)?;
        topic.held = topic.held.saturating_sub(1);
        let queue = self.lines.get_mut(&name)?;
        queue.away = false;
        let again = queue.left_out.take();
        match queue.rows.front() {
            Some(next) => {
                topic.ready.insert(next.id, name);
            }
            None => {
                self.lines.remove(&name);
            }
        }
        again
    }

    /// Rows that were sent are gone from the outbox.
    pub(super) fn forgotten(&mut self, ids: &[u64], reading: bool) {
        if reading {
            self.deferred.extend(ids);
        } else {
            for id in ids {
                self.sent.remove(id);
            }
        }
    }

    /// No page is being read any more.
    pub(super) fn forget_deferred(&mut self) {
        for id in self.deferred.drain(..) {
            self.sent.remove(&id);
        }
    }

    /// Rows of a failed batch are first in their lines again.
    pub(super) fn put_back(&mut self, rows: Vec<Waiting>) {
        for row in rows.into_iter().rev() {
            let name = row.line();
            let queue = self.lines.entry(name.clone()).or_default();
            let topic = self.topics.entry(Arc::clone(&row.message.topic)).or_default();
            if let Some(next) = queue.rows.front() {
                topic.ready.remove(&next.id);
            }
            queue.away = false;
            topic.ready.insert(row.id, name);
            queue.rows.push_front(row);
        }
    }

    /// How often the topic of these rows failed in a row.
    pub(super) fn topic_failures(&self, rows: &[Waiting]) -> u32 {
        rows.first().and_then(|row| self.topics.get(&row.message.topic)).map_or(0, |topic| topic.failures)
    }

    /// The topic of these rows waits, and keeps only its first rows in memory.
    pub(super) fn pause_topic(&mut self, rows: Vec<Waiting>, until: Instant) {
        let Some(name) = rows.first().map(|row| Arc::clone(&row.message.topic)) else { return };
        self.put_back(rows);
        let topic = self.topics.entry(Arc::clone(&name)).or_default();
        topic.failures = topic.failures.saturating_add(1);
        topic.paused_until = topic.paused_until.max(Some(until));
        if topic.held <= BLOCKED_TOPIC_ROWS {
            return;
        }
        let of_topic = |queue: &&mut Queue| queue.rows.front().is_some_and(|row| row.message.topic == name);
        let mut ids: Vec<u64> = Vec::new();
        for queue in self.lines.values_mut().filter(of_topic) {
            ids.extend(queue.rows.iter().map(|row| row.id));
        }
        ids.sort_unstable();
        let Some(cut) = ids.get(BLOCKED_TOPIC_ROWS).copied() else { return };
        topic.left_out = earlier(topic.left_out, Some(cut));
        for queue in self.lines.values_mut().filter(of_topic) {
            while let Some(last) = queue.rows.pop_back_if(|row| row.id >= cut) {
                self.waiting.remove(&last.id);
                self.bytes = self.bytes.saturating_sub(last.message.size());
                topic.ready.remove(&last.id);
                topic.held = topic.held.saturating_sub(1);
            }
            if queue.rows.is_empty() {
                // Its topic goes back further than it would.
                queue.left_out = None;
            }
        }
        self.lines.retain(|_, queue| !queue.rows.is_empty() || queue.away || queue.left_out.is_some());
    }

    /// The line of this row waits, and keeps only this row in memory.
    pub(super) fn pause_line(&mut self, row: Waiting, until: Instant) {
        let (name, id) = (row.line(), row.id);
        let Some(topic) = self.topics.get_mut(&row.message.topic) else { return };
        let queue = self.lines.entry(name.clone()).or_default();
        if let Some(first) = queue.rows.front().map(|row| row.id) {
            queue.left_out = earlier(queue.left_out, Some(first));
            topic.ready.remove(&first);
        }
        for dropped in queue.rows.drain(..) {
            self.waiting.remove(&dropped.id);
            self.bytes = self.bytes.saturating_sub(dropped.message.size());
            topic.held = topic.held.saturating_sub(1);
        }
        queue.rows.push_back(row);
        queue.away = false;
        queue.paused_until = Some(until);
        if let Entry::Vacant(entry) = self.paused.entry((until, id)) {
            entry.insert(name);
        }
    }

    /// How many topics and lines wait after a failure.
    pub(super) fn blocked(&self, now: Instant) -> (usize, usize) {
        (self.topics.values().filter(|topic| topic.is_paused(now)).count(), self.paused.len())
    }
}

fn earlier(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
