//! What the engine counts of itself; read by anybody, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

use mamparo_ledger::Stats;

/// Shared between the writer, its log and the engine's handle.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) waiting: AtomicU64,
    pub(crate) units: AtomicU64,
    pub(crate) groups: AtomicU64,
    pub(crate) log_bytes: AtomicU64,
}

impl Counters {
    pub(crate) fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            waiting: read(&self.waiting),
            units: read(&self.units),
            groups: read(&self.groups),
            log_bytes: read(&self.log_bytes),
        }
    }
}
