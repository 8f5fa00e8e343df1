//! What the balancers of one service share, one after the other as its list of endpoints changes: who counts when it is
//! decided whether one more may be ejected, the probes, and the counts. Its lock is not taken for a pick.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mamparo_context::{Moment, Random};

use crate::health::{Checks, Transition};
use crate::outlier::OutlierConfig;
use crate::outlier::core::{most_ejected, next_ejection};
use crate::state::State;

/// What the balancers of one service share.
#[derive(Debug, Default)]
pub(crate) struct Cohort {
    /// Changes with everything that may change who is picked, other than time.
    epoch: AtomicU64,
    pub(crate) turns: Turns,
    pub(crate) ejections: AtomicU64,
    pub(crate) ejections_refused: AtomicU64,
    pub(crate) panic_picks: AtomicU64,
    pub(crate) picks_refused: AtomicU64,
    roster: Mutex<Roster>,
}

/// Turns of round robin that have been taken. Every pick changes it, so that it has its cache lines to itself.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Turns(AtomicU64);

impl Turns {
    pub(crate) fn start(&self, at: u64) {
        self.0.store(at, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Who is there now.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    pub(crate) outlier: OutlierConfig,
    pub(crate) checks: Option<Checks>,
    pub(crate) entries: Vec<Entry>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) address: SocketAddr,
    /// Whether it takes anything at all.
    pub(crate) counts: bool,
    pub(crate) state: Arc<State>,
}

impl Cohort {
    pub(crate) fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Tells that somebody else may be picked from now on.
    pub(crate) fn changed(&self) {
        self.epoch.fetch_add(1, Ordering::Release);
    }

    /// Ejects an endpoint, unless that would be too many; tells for how long.
    pub(crate) fn eject(&self, state: &Arc<State>, now: Moment) -> Option<Duration> {
        let roster = self.roster();
        if state.ejected_until() > now {
            // What was under way when it was ejected says nothing new.
            return None;
        }
        state.absolve();
        if !roster.may_eject(state, now) {
            self.ejections_refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let last = state.ejection_number.load(Ordering::Relaxed);
        let (number, time) = next_ejection(&roster.outlier, last, state.ejected_until(), now);
        state.eject(number, now + time);
        self.ejections.fetch_add(1, Ordering::Relaxed);
        self.changed();
        Some(time)
    }

    pub(crate) fn next_check(&self) -> Option<Moment> {
        self.roster().checks.as_ref()?.next_due()
    }

    pub(crate) fn due_checks(&self, now: Moment, most: usize, random: &Random) -> Vec<SocketAddr> {
        let mut roster = self.roster();
        roster.checks.as_mut().map(|checks| checks.due(now, most, random)).unwrap_or_default()
    }

    pub(crate) fn record_check(&self, address: SocketAddr, passed: bool, now: Moment) -> Option<Transition> {
        let mut roster = self.roster();
        let transition = roster.checks.as_mut()?.record(address, passed)?;
        let entry = roster.entries.iter().find(|entry| entry.address == address)?;
        entry.state.set_unhealthy(transition == Transition::Lost, now);
        self.changed();
        Some(transition)
    }
}

impl Roster {
    /// Whether one more may be ejected: not too many are, and another one is left.
    fn may_eject(&self, state: &Arc<State>, now: Moment) -> bool {
        let counting = || self.entries.iter().filter(|entry| entry.counts);
        let is_own = |entry: &&Entry| Arc::ptr_eq(&entry.state, state);
        let ejected = counting().filter(|entry| entry.state.ejected_until() > now).count();
        counting().any(|entry| is_own(&entry))
            && ejected < most_ejected(&self.outlier, counting().count())
            && counting().any(|entry| !is_own(&entry) && entry.state.is_available(now))
    }
}
