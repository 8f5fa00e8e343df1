//! The logs of the hub: what is kept in memory about each (how far its partitions reach, who reads them), over
//! the transactions in the files beside this one. What is true stands in the ledger alone.

mod append;
mod contract;
mod group;
mod member;
mod partition;
mod read;
mod retention;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mamparo_ledger::{Ledger, Result, params};
use tokio::sync::watch;

pub(crate) use append::{append, drop_old};
pub(crate) use group::Members;
pub(crate) use member::{Member, seek};
pub(crate) use partition::partition_of;
pub(crate) use read::{info, read};
pub(crate) use retention::Held;

use crate::limits::GROUPS_MAX;
use crate::options::LogOptions;

/// A log, as the hub holds it.
#[derive(Debug)]
pub(crate) struct LogTopic {
    pub(crate) id: i64,
    pub(crate) name: Arc<str>,
    pub(crate) options: LogOptions,
    pub(crate) partitions: Vec<Partition>,
    /// Changes whenever records were appended or a group changed; readers that wait listen.
    pub(crate) changed: watch::Sender<u64>,
    groups: Mutex<HashMap<String, Arc<Mutex<Members>>>>,
}

/// A partition, and what is known to be committed in it.
#[derive(Debug)]
pub(crate) struct Partition {
    /// The number of its row.
    pub(crate) id: i64,
    first: AtomicU64,
    next: AtomicU64,
}

impl Partition {
    /// A committed transaction left it like this.
    pub(crate) fn became(&self, held: Held) {
        self.first.fetch_max(held.first, Ordering::SeqCst);
        self.next.fetch_max(held.next, Ordering::SeqCst);
    }

    /// The offset that the next record gets.
    pub(crate) fn next(&self) -> u64 {
        self.next.load(Ordering::SeqCst)
    }

    /// The offset of the oldest record.
    pub(crate) fn first(&self) -> u64 {
        self.first.load(Ordering::SeqCst)
    }
}

impl LogTopic {
    pub(crate) async fn open(ledger: &Ledger, id: i64, name: Arc<str>, options: LogOptions) -> Result<Self> {
        let select = "SELECT id, first, next FROM hub_partition WHERE topic = ?1 ORDER BY number";
        let mut partitions = Vec::new();
        for row in ledger.query(select, params![id]).await? {
            let (first, next) = (AtomicU64::new(row.get(1)?), AtomicU64::new(row.get(2)?));
            partitions.push(Partition { id: row.get(0)?, first, next });
        }
        let (changed, groups) = (watch::Sender::new(0), Mutex::default());
        Ok(Self { id, name, options, partitions, changed, groups })
    }

    /// Tells readers that wait.
    pub(crate) fn announce(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// The group of this name, made if need be; `None` when there are as many as there may be.
    pub(crate) fn group(&self, name: &str) -> Option<Arc<Mutex<Members>>> {
        let mut groups = lock(&self.groups);
        if let Some(group) = groups.get(name) {
            return Some(Arc::clone(group));
        }
        if groups.len() >= GROUPS_MAX {
            return None;
        }
        Some(Arc::clone(groups.entry(name.to_owned()).or_default()))
    }

    pub(crate) fn partition_count(&self) -> u32 {
        u32::try_from(self.partitions.len()).unwrap_or(u32::MAX)
    }
}

/// Locks; a panic elsewhere leaves nothing half done behind these locks.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
