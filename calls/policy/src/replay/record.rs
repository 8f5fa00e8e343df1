//! What is noted during a replay: in rows of the same length of time, and about each breaker.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::breaker::BreakerState;
use crate::limits::REPLAY_CHANGES_MAX;
use crate::{Policy, Reason, Refusal};

/// What the call of a caller came to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    Ok,
    Refused(Refusal),
    TimedOut,
    Failed(&'static str),
}

/// Everything that is noted.
#[derive(Debug, Default)]
pub(super) struct Record {
    bucket: Duration,
    most: usize,
    rows: Vec<RowRecord>,
    layers: Vec<LayerRecord>,
    arrivals: u64,
}

/// What happened in one row: calls and how they ended belong to the row in which the call came, attempts to the one in
/// which they were made.
#[derive(Clone, Debug, Default)]
pub(super) struct RowRecord {
    pub(super) calls: u64,
    pub(super) admitted: u64,
    pub(super) retried: u64,
    pub(super) hedged: u64,
    pub(super) arrivals: u64,
    pub(super) ok: u64,
    pub(super) timed_out: u64,
    pub(super) refused: BTreeMap<(&'static str, &'static str), u64>,
    pub(super) failed: BTreeMap<&'static str, u64>,
    /// How long each call took that has ended, in microseconds.
    pub(super) took: Vec<u64>,
    /// What the breaker before the dependency was, in the order in which it was first seen so.
    pub(super) breaker: Vec<BreakerState>,
}

/// What happened in one layer.
#[derive(Clone, Debug, Default)]
pub(super) struct LayerRecord {
    pub(super) attempts: u64,
    pub(super) state: Option<BreakerState>,
    /// What its breaker was from when on.
    pub(super) changes: Vec<(Duration, BreakerState)>,
    pub(super) changed: u64,
}

impl Record {
    /// Rows about `bucket` each, at most `most` of them.
    pub(super) fn new(bucket: Duration, most: usize, layers: usize) -> Self {
        Self { bucket, most, rows: Vec::new(), layers: vec![LayerRecord::default(); layers], arrivals: 0 }
    }

    /// How much time a row is about.
    pub(super) const fn bucket(&self) -> Duration {
        self.bucket
    }

    /// Attempts that have reached the dependency.
    pub(super) const fn arrivals(&self) -> u64 {
        self.arrivals
    }

    pub(super) fn called(&mut self, at: Duration) {
        self.row(at).calls += 1;
    }

    pub(super) fn attempted(&mut self, layer: usize, again: bool, hedges: bool, at: Duration) {
        if let Some(layer) = self.layers.get_mut(layer) {
            layer.attempts += 1;
        }
        if layer > 0 {
            return;
        }
        let row = self.row(at);
        row.admitted += 1;
        match (again, hedges) {
            (false, _) => {}
            (true, false) => row.retried += 1,
            (true, true) => row.hedged += 1,
        }
    }

    pub(super) fn arrived(&mut self, at: Duration) {
        self.arrivals += 1;
        self.row(at).arrivals += 1;
    }

    pub(super) fn ended(&mut self, began: Duration, at: Duration, ending: Ending) {
        let row = self.row(began);
        row.took.push(u64::try_from(at.saturating_sub(began).as_micros()).unwrap_or(u64::MAX));
        match ending {
            Ending::Ok => row.ok += 1,
            Ending::TimedOut => row.timed_out += 1,
            Ending::Refused(Refusal { policy, reason, .. }) => {
                *row.refused.entry((Policy::as_str(policy), Reason::as_str(reason))).or_default() += 1;
            }
            Ending::Failed(word) => *row.failed.entry(word).or_default() += 1,
        }
    }

    /// What the breaker of a layer was when it was last looked at.
    pub(super) fn breaker(&self, layer: usize) -> Option<BreakerState> {
        self.layers.get(layer)?.state
    }

    pub(super) fn breaker_is(&mut self, layer: usize, state: BreakerState, at: Duration) {
        // A row that nothing was noted in began with what was known before.
        let last = layer + 1 == self.layers.len();
        if last {
            self.row(at);
        }
        let Some(record) = self.layers.get_mut(layer) else { return };
        record.state = Some(state);
        record.changed += 1;
        if record.changes.len() < REPLAY_CHANGES_MAX {
            record.changes.push((at, state));
        }
        if last {
            let row = self.row(at);
            if !row.breaker.contains(&state) {
                row.breaker.push(state);
            }
        }
    }

    /// The row of a moment. Rows before it are filled up with what the breaker was.
    fn row(&mut self, at: Duration) -> &mut RowRecord {
        let index = usize::try_from(at.as_nanos() / self.bucket.as_nanos().max(1)).unwrap_or(usize::MAX);
        let index = index.min(self.most - 1);
        let breaker: Vec<BreakerState> = match self.rows.len() <= index {
            true => self.layers.last().and_then(|layer| layer.state).into_iter().collect(),
            false => Vec::new(),
        };
        while self.rows.len() <= index {
            self.rows.push(RowRecord { breaker: breaker.clone(), ..RowRecord::default() });
        }
        &mut self.rows[index]
    }

    /// Everything, to be told.
    pub(super) fn into_parts(self) -> (Vec<RowRecord>, Vec<LayerRecord>) {
        (self.rows, self.layers)
    }
}
