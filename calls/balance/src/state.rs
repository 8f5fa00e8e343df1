//! What is known of one endpoint. Threads share it, and it outlives the list of endpoints that it stood in.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use mamparo_context::Moment;

use crate::cohort::Cohort;
use crate::config::BalanceConfig;
use crate::endpoint::Endpoint;
use crate::ewma::{Fading, SharedAverage};
use crate::outlier::core::Bounds;
use crate::outlier::window::{Slice, Window};
use crate::outlier::{Cause, Ejection};
use crate::pick::Seen;

/// An endpoint in the list of a balancer: what the list says of it, and what is known of it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) endpoint: Endpoint,
    pub(crate) rules: Rules,
    pub(crate) state: Arc<State>,
}

/// What the configuration says about the outcome of a request; a pick carries it along.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) fading: Fading,
    pub(crate) bounds: Bounds,
    pub(crate) slice: Slice,
}

impl From<&BalanceConfig> for Rules {
    fn from(config: &BalanceConfig) -> Self {
        Self {
            fading: Fading::new(config.decay, config.failure_penalty),
            bounds: Bounds::from(&config.outlier),
            slice: Slice::of(config.outlier.window),
        }
    }
}

/// What is known of an endpoint. What every request changes comes first; it has its cache lines to itself.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct State {
    pub(crate) in_flight: AtomicU32,
    /// Failures one after the other.
    in_a_row: AtomicU32,
    pub(crate) average: SharedAverage,
    pub(crate) requests: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) window: Window,
    // What changes seldom.
    pub(crate) unhealthy: AtomicBool,
    /// Until when it is ejected, or was last; 0 if it never was.
    ejected_until: AtomicU64,
    /// Whether it has been ejected and was not yet seen to return.
    is_to_return: AtomicBool,
    /// The number of its last ejection in a row of them.
    pub(crate) ejection_number: AtomicU32,
    pub(crate) ejections: AtomicU64,
    /// When its slow start began, ejections aside; 0 if it was there from the beginning.
    began: AtomicU64,
    cohort: Weak<Cohort>,
}

impl State {
    /// An endpoint of which nothing is known. Its slow start begins at `began`; at [`Moment::ZERO`] it has none.
    pub(crate) fn new(cohort: &Arc<Cohort>, began: Moment) -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            in_a_row: AtomicU32::new(0),
            average: SharedAverage::default(),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            window: Window::default(),
            unhealthy: AtomicBool::new(false),
            ejected_until: AtomicU64::new(0),
            is_to_return: AtomicBool::new(false),
            ejection_number: AtomicU32::new(0),
            ejections: AtomicU64::new(0),
            began: AtomicU64::new(began.as_nanos()),
            cohort: Arc::downgrade(cohort),
        }
    }

    pub(crate) fn ejected_until(&self) -> Moment {
        Moment::from_nanos(self.ejected_until.load(Ordering::Relaxed))
    }

    pub(crate) fn is_available(&self, now: Moment) -> bool {
        !self.unhealthy.load(Ordering::Relaxed) && self.ejected_until() <= now
    }

    /// When its slow start began, or will begin.
    pub(crate) fn warming_since(&self) -> Moment {
        Moment::from_nanos(self.began.load(Ordering::Relaxed)).max(self.ejected_until())
    }

    /// What a probe says. Who is healthy again is known for nothing else than that.
    pub(crate) fn set_unhealthy(&self, unhealthy: bool, now: Moment) {
        if self.unhealthy.swap(unhealthy, Ordering::Relaxed) && !unhealthy {
            self.began.store(now.as_nanos(), Ordering::Relaxed);
            self.average.forget();
        }
    }

    /// Forgets, once an ejection has ended, how slow the failures before it made the endpoint look: it would hardly be
    /// asked, and could not show that it is well.
    pub(crate) fn welcome(&self, now: Moment) {
        if self.ejected_until() <= now && self.is_to_return.swap(false, Ordering::Relaxed) {
            self.average.forget();
        }
    }

    pub(crate) fn eject(&self, number: u32, until: Moment) {
        self.ejection_number.store(number, Ordering::Relaxed);
        self.ejections.fetch_add(1, Ordering::Relaxed);
        self.ejected_until.store(until.as_nanos(), Ordering::Relaxed);
        self.is_to_return.store(true, Ordering::Relaxed);
    }

    /// Begins anew with counting what speaks against it.
    pub(crate) fn absolve(&self) {
        self.in_a_row.store(0, Ordering::Relaxed);
        self.window.clear();
    }
}

impl Member {
    /// Takes in what a request came to. A success is two atomic changes; a failure that makes an outlier of the endpoint
    /// takes the lock of the cohort.
    pub(crate) fn record(&self, seen: Seen, took: Duration, now: Moment) -> Option<Ejection> {
        let Rules { fading, bounds, slice } = self.rules;
        let state = &self.state;
        let failed = seen == Seen::Failure;
        state.average.observe(took, failed, fading, now);
        state.window.record(failed, slice, now);
        if !failed {
            if state.in_a_row.load(Ordering::Relaxed) != 0 {
                state.in_a_row.store(0, Ordering::Relaxed);
            }
            return None;
        }
        state.failures.fetch_add(1, Ordering::Relaxed);
        let in_a_row = state.in_a_row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let cause = bounds.judge(in_a_row, state.window.sums(slice, now))?;
        self.eject(cause, now)
    }

    #[cold]
    fn eject(&self, cause: Cause, now: Moment) -> Option<Ejection> {
        let cohort = self.state.cohort.upgrade()?;
        let time = cohort.eject(&self.state, now)?;
        Some(Ejection { address: self.endpoint.address, cause, time })
    }
}
