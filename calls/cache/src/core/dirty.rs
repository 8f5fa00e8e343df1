//! Decides which dirty entry is written when: per key in order and one write at a time, values that were overtaken
//! are skipped, and what the store refuses holds up nobody else.
//!
//! A value has a version, which grows. It is *latest* as soon as it is taken, *ready* once the journal has answered
//! for it, and gone once the store has it. What is written is the newest ready value of a key.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Duration;

use mamparo_context::Moment;

/// How dirty entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long an entry may wait for further writes to its key.
    pub linger: Duration,
    /// Most entries in one write.
    pub batch: usize,
    /// Most keys that may be dirty.
    pub keys: usize,
    /// Pause after the first failure of the store; it doubles with each further one.
    pub pause: Duration,
    /// Longest pause.
    pub pause_max: Duration,
}

/// One value to be written. `None` removes the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<K, V> {
    /// Whose value.
    pub key: K,
    /// The value, or none.
    pub value: Option<V>,
    /// Grows with each write of the key, also over restarts of the process: a store that keeps it beside the value
    /// can refuse a write that comes late.
    pub version: u64,
}

/// As many keys are dirty as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// When there may be room.
    pub retry_after: Duration,
}

#[derive(Debug)]
struct Entry<V> {
    latest: (u64, Option<V>),
    ready: Option<(u64, Option<V>)>,
    /// The version that is being written.
    flying: Option<u64>,
    /// The newest version that the journal holds.
    on_disk: Option<u64>,
    since: Moment,
    failures: u32,
    /// Its place in the line, if it is in it.
    place: Option<(Moment, u64)>,
}

/// What is dirty.
#[derive(Debug)]
pub struct Dirty<K, V> {
    pace: Pace,
    entries: HashMap<K, Entry<V>>,
    /// What can be written, by when and in which order.
    line: BTreeMap<(Moment, u64), K>,
    last_place: u64,
    last_version: u64,
    /// How many entries the next write may have: one after a failure, twice as many after each success.
    window: usize,
    failures: u32,
    paused_until: Moment,
}

impl<K: Eq + Hash + Clone, V: Clone> Dirty<K, V> {
    /// Nothing is dirty.
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            entries: HashMap::new(),
            line: BTreeMap::new(),
            last_place: 0,
            last_version: 0,
            window: pace.batch,
            failures: 0,
            paused_until: Moment::ZERO,
        }
    }

    /// How many keys are dirty.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Since when the oldest is.
    pub fn oldest(&self) -> Option<Moment> {
        self.entries.values().map(|entry| entry.since).min()
    }

    /// Keys whose newest value no journal holds.
    pub fn not_on_disk(&self) -> usize {
        self.entries.values().filter(|entry| entry.on_disk != Some(entry.latest.0)).count()
    }

    /// What was written last, if the store may not have it yet.
    pub fn get(&self, key: &K) -> Option<&Option<V>> {
        self.entries.get(key).map(|entry| &entry.latest.1)
    }

    /// A value is taken; its version is at least `floor`.
    ///
    /// # Errors
    /// There is no room for another key.
    pub fn put(&mut self, key: &K, value: Option<V>, floor: u64, now: Moment) -> Result<u64, Full> {
        if self.entries.len() >= self.pace.keys && !self.entries.contains_key(key) {
            let wait = self.paused_until.since(now).max(self.pace.linger).max(Duration::from_millis(1));
            return Err(Full { retry_after: wait });
        }
        let version = (self.last_version + 1).max(floor);
        self.restore(key, value, version, now);
        Ok(version)
    }

    /// A value that was taken before: by [`put`](Self::put), or by a process that has ended.
    pub fn restore(&mut self, key: &K, value: Option<V>, version: u64, now: Moment) {
        self.last_version = self.last_version.max(version);
        match self.entries.get_mut(key) {
            Some(entry) if entry.latest.0 < version => entry.latest = (version, value),
            Some(_) => {}
            None => {
                let entry = Entry {
                    latest: (version, value),
                    ready: None,
                    flying: None,
                    on_disk: None,
                    since: now,
                    failures: 0,
                    place: None,
                };
                self.entries.insert(key.clone(), entry);
            }
        }
    }

    /// The journal has answered for a version: it is on disk, or it could not be put there. Either way it can be
    /// written now. Returns the version that the journal need no longer hold.
    pub fn answered(&mut self, key: &K, value: Option<V>, version: u64, is_on_disk: bool) -> Option<u64> {
        let Some(entry) = self.entries.get_mut(key) else { return is_on_disk.then_some(version) };
        if entry.ready.as_ref().is_some_and(|(ready, _)| *ready >= version) {
            return is_on_disk.then_some(version);
        }
        entry.ready = Some((version, value));
        let due = entry.since + self.pace.linger;
        let superseded = if is_on_disk { entry.on_disk.replace(version) } else { None };
        self.line_up(key, due);
        superseded
    }

    fn line_up(&mut self, key: &K, due: Moment) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if entry.place.is_none() && entry.flying.is_none() && entry.ready.is_some() {
            self.last_place += 1;
            entry.place = Some((due, self.last_place));
            self.line.insert((due, self.last_place), key.clone());
        }
    }

    /// When there is something to write; `None` when nothing is ready. With `hurry` nothing lingers.
    pub fn next_at(&self, hurry: bool) -> Option<Moment> {
        let (&(first, _), _) = self.line.first_key_value()?;
        let at_once = hurry && self.line.values().any(|key| !self.has_failed(key));
        Some(if at_once { self.paused_until } else { first.max(self.paused_until) })
    }

    fn has_failed(&self, key: &K) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.failures > 0)
    }

    /// What is to be written now; empty when there is nothing. Each batch is told about afterwards, with
    /// [`written`](Self::written) or [`failed`](Self::failed).
    pub fn next(&mut self, now: Moment, hurry: bool) -> Vec<Change<K, V>> {
        let mut batch = Vec::new();
        if now < self.paused_until {
            return batch;
        }
        // What was refused before goes alone, so that it harms no batch.
        let is_due = |(due, _): &(Moment, u64), key| *due <= now || (hurry && !self.has_failed(key));
        let due = self.line.iter().take_while(|((at, _), _)| hurry || *at <= now);
        let due: Vec<_> = due.filter(|(place, key)| is_due(place, key)).take(self.window).collect();
        let alone = due.iter().position(|(_, key)| self.has_failed(key));
        let count = alone.map_or(due.len(), |at| at.max(1));
        let due: Vec<_> = due.into_iter().take(count).map(|(place, key)| (*place, key.clone())).collect();
        for (place, key) in due {
            self.line.remove(&place);
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            entry.place = None;
            let Some((version, value)) = entry.ready.clone() else { continue };
            entry.flying = Some(version);
            batch.push(Change { key, value, version });
        }
        batch
    }

    /// The store has `batch`. Returns the versions that the journal need no longer hold.
    pub fn written(&mut self, batch: &[Change<K, V>], now: Moment) -> Vec<u64> {
        self.window = self.window.saturating_mul(2).min(self.pace.batch);
        self.failures = 0;
        self.paused_until = Moment::ZERO;
        let mut done = Vec::with_capacity(batch.len());
        for change in batch {
            let Some(entry) = self.entries.get_mut(&change.key) else { continue };
            entry.flying = None;
            entry.failures = 0;
            if entry.on_disk.is_some_and(|version| version <= change.version) {
                done.extend(entry.on_disk.take());
            }
            if entry.latest.0 == change.version {
                self.entries.remove(&change.key);
                continue;
            }
            entry.since = now;
            if entry.ready.as_ref().is_some_and(|(version, _)| *version == change.version) {
                entry.ready = None;
            }
            let due = now + self.pace.linger;
            self.line_up(&change.key, due);
        }
        done
    }

    /// The store did not take `batch`, or nobody knows whether it did; `unit` is a number drawn from `0.0..1.0`. A
    /// batch of several is written again one by one; of one, its key pauses and the others go on.
    pub fn failed(&mut self, batch: &[Change<K, V>], now: Moment, unit: f64) {
        let is_alone = batch.len() == 1;
        let is_known = is_alone && batch.iter().all(|change| self.has_failed(&change.key));
        // A key that fails again says nothing of a store that has taken others since.
        if !is_known || self.failures > 0 {
            self.window = 1;
            self.failures = self.failures.saturating_add(1);
            self.paused_until = now + self.backoff(self.failures, unit);
        }
        for change in batch {
            let Some(entry) = self.entries.get_mut(&change.key) else { continue };
            entry.flying = None;
            let mut due = now;
            if is_alone {
                entry.failures = entry.failures.saturating_add(1);
                let failures = entry.failures;
                due = now + self.backoff(failures.saturating_add(1), unit);
            }
            self.line_up(&change.key, due);
        }
    }

    /// Half of the pause is drawn.
    fn backoff(&self, failures: u32, unit: f64) -> Duration {
        let doubled = self.pace.pause.saturating_mul(1_u32 << (failures.saturating_sub(1)).min(16));
        doubled.min(self.pace.pause_max).mul_f64(0.5 + 0.5 * unit)
    }
}

#[cfg(test)]
mod tests;
