//! Decides when a breaker opens, which calls are its probes, and when it closes: a function of what happened and of
//! the time. Ask [`Core::acquire`] before a call; hand what it gave to [`Core::record`] or [`Core::cancel`] after it.

use std::time::Duration;

use mamparo_context::Moment;

use super::config::{BreakerConfig, WindowConfig};
use super::window::{Sample, Sums, Window};
use crate::draw::{Draw, scaled};
use crate::limits::RETRY_AFTER_MAX;
use crate::{Health, Outcome, Policy, Reason, Refusal};

/// What a breaker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BreakerState {
    /// Calls go through.
    Closed = 0,
    /// Calls are refused for a while.
    Open,
    /// A few calls go through, to see whether the dependency works again.
    HalfOpen,
    /// A person has opened it: calls are refused until a person says otherwise.
    ForcedOpen,
    /// A person has closed it: calls go through, whatever they come to.
    ForcedClosed,
    /// A person has taken the dependency out of use: calls are refused for good, and need not be tried again.
    Isolated,
}

impl BreakerState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Closed, Self::Open, Self::HalfOpen, Self::ForcedOpen, Self::ForcedClosed, Self::Isolated];

    /// As it stands in metrics and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
            Self::ForcedOpen => "forced-open",
            Self::ForcedClosed => "forced-closed",
            Self::Isolated => "isolated",
        }
    }
}

/// What an admitted call holds. A call of an older cycle has nothing to say any more.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct BreakerPass {
    pub(super) cycle: u32,
    /// [`Moment::NEVER`] if nobody looked: such a call is not slow.
    pub(super) started: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Moment },
    HalfOpen { allowed: u32, under_way: u32, good: u32, last_probe: Moment },
}

/// The decisions of one breaker.
#[derive(Clone, Debug)]
pub(super) struct Core {
    config: BreakerConfig,
    state: State,
    forced: Option<BreakerState>,
    /// Goes up with every change of the state.
    cycle: u32,
    /// How often it opened since it was closed.
    opened: u32,
    failed_in_a_row: u32,
    window: Window,
    draw: Draw,
}

impl Core {
    /// A closed breaker; `seed` makes the jitter.
    pub(super) fn new(config: BreakerConfig, seed: u64) -> Self {
        let window = Window::new(config.window);
        Self {
            config,
            state: State::Closed,
            forced: None,
            cycle: 0,
            opened: 0,
            failed_in_a_row: 0,
            window,
            draw: Draw::new(seed),
        }
    }

    pub(super) fn config(&self) -> &BreakerConfig {
        &self.config
    }

    pub(super) fn state(&self) -> BreakerState {
        match (self.forced, self.state) {
            (Some(forced), _) => forced,
            (None, State::Closed) => BreakerState::Closed,
            (None, State::Open { .. }) => BreakerState::Open,
            (None, State::HalfOpen { .. }) => BreakerState::HalfOpen,
        }
    }

    pub(super) fn cycle(&self) -> u32 {
        self.cycle
    }

    /// Whether a good call changes nothing: it is closed, counts only failures in a row, and the last was none.
    pub(super) fn is_quiet(&self) -> bool {
        matches!(self.state, State::Closed) && !self.has_rates() && self.failed_in_a_row == 0
    }

    /// Whether good calls have nothing to do with the time: it is closed, no call can be slow, and its window is one
    /// of calls that holds enough of them and not too many failures (after another configuration it may), so that
    /// another good one cannot open it.
    pub(super) fn is_timeless(&self) -> bool {
        let held = self.window.held();
        let by_calls = matches!(self.config.window, WindowConfig::Calls(_))
            && held.calls >= self.config.minimum_calls
            && !self.reaches_rates(held);
        matches!(self.state, State::Closed)
            && self.config.slow_calls.is_none()
            && (by_calls || !self.has_rates())
    }

    fn has_rates(&self) -> bool {
        self.config.failure_percent.is_some() || self.config.slow_calls.is_some()
    }

    /// Until when it stays open by itself; [`Moment::ZERO`] when it is not open.
    pub(super) fn until(&self) -> Moment {
        match self.state {
            State::Open { until } => until,
            _ => Moment::ZERO,
        }
    }

    /// When a call may find it otherwise than now, if nothing else happens.
    pub(super) fn next_wakeup(&self) -> Option<Moment> {
        match (self.forced, self.state) {
            (Some(_), _) | (None, State::Closed) => None,
            (None, State::Open { until }) => Some(until),
            (None, State::HalfOpen { last_probe, .. }) => Some(last_probe + self.config.half_open.wait),
        }
    }

    /// Whether a call may go at `now`.
    pub(super) fn acquire(&mut self, now: Moment) -> Result<BreakerPass, Refusal> {
        match self.forced {
            Some(BreakerState::ForcedOpen) => return Err(refuse(Reason::ForcedOpen)),
            Some(BreakerState::Isolated) => return Err(refuse(Reason::Isolated)),
            Some(_) => return Ok(self.pass(now)),
            None => {}
        }
        self.turn(now);
        match &mut self.state {
            State::Closed => Ok(self.pass(now)),
            State::Open { until } => Err(refuse(Reason::Open).retry_after(until.since(now))),
            State::HalfOpen { allowed, under_way, last_probe, .. } => {
                if *under_way >= *allowed {
                    return Err(refuse(Reason::Probing));
                }
                *under_way += 1;
                *last_probe = now;
                Ok(self.pass(now))
            }
        }
    }

    /// A call has come to `outcome` at `now`.
    pub(super) fn record(&mut self, pass: &BreakerPass, outcome: &Outcome, now: Moment) {
        if pass.cycle != self.cycle || matches!(self.forced, Some(BreakerState::Isolated)) {
            return;
        }
        let slow = self.config.slow_calls.is_some_and(|slow| now.since(pass.started) > slow.above);
        match self.state {
            State::Closed => self.sample(outcome, slow, now),
            State::Open { .. } => {}
            State::HalfOpen { .. } => self.probed(outcome, slow, now),
        }
    }

    /// A call was dropped: its probe, if it was one, may be made by another.
    pub(super) fn cancel(&mut self, pass: &BreakerPass) {
        if let State::HalfOpen { under_way, .. } = &mut self.state
            && pass.cycle == self.cycle
        {
            *under_way = under_way.saturating_sub(1);
        }
    }

    /// A person decides, or leaves it to the breaker again by `None`: then it is closed and knows nothing.
    pub(super) fn force(&mut self, forced: Option<BreakerState>) {
        self.forced = forced;
        self.close();
    }

    /// Goes by `config` from now on; what is known stays known, as far as it fits into the window.
    pub(super) fn reconfigure(&mut self, config: BreakerConfig) {
        if config.window != self.config.window {
            self.window = self.window.resized(config.window);
        }
        self.config = config;
    }

    /// What time alone brings about: an open breaker becomes half-open; a probe that did not come back has failed.
    fn turn(&mut self, now: Moment) {
        match self.state {
            State::Open { until } if now >= until => {
                let allowed = self.config.half_open.probes;
                self.change(State::HalfOpen { allowed, under_way: 0, good: 0, last_probe: now });
            }
            State::HalfOpen { allowed, under_way, last_probe, .. }
                if under_way >= allowed && now >= last_probe + self.config.half_open.wait =>
            {
                self.open(None, now);
            }
            _ => {}
        }
    }

    fn pass(&self, started: Moment) -> BreakerPass {
        BreakerPass { cycle: self.cycle, started }
    }

    fn sample(&mut self, outcome: &Outcome, slow: bool, now: Moment) {
        let failed = match outcome.health() {
            Health::Unknown => return,
            health => health == Health::Bad,
        };
        self.failed_in_a_row = if failed { self.failed_in_a_row.saturating_add(1) } else { 0 };
        if self.has_rates() {
            self.window.record(Sample { failed, slow }, now);
        }
        if self.forced.is_none() && self.is_too_bad(now) {
            self.open(outcome.retry_after(), now);
        }
    }

    fn is_too_bad(&mut self, now: Moment) -> bool {
        if self.config.consecutive_failures.is_some_and(|most| self.failed_in_a_row >= most) {
            return true;
        }
        if !self.has_rates() {
            return false;
        }
        let sums = self.window.sums(now);
        if sums.calls < self.config.minimum_calls {
            return false;
        }
        self.reaches_rates(sums)
    }

    fn reaches_rates(&self, sums: Sums) -> bool {
        let reaches = |some: u32, percent: f64| f64::from(some) * 100.0 >= percent * f64::from(sums.calls);
        self.config.failure_percent.is_some_and(|percent| reaches(sums.failed, percent))
            || self.config.slow_calls.is_some_and(|slow| reaches(sums.slow, slow.percent))
    }

    fn probed(&mut self, outcome: &Outcome, slow: bool, now: Moment) {
        let State::HalfOpen { allowed, under_way, good, .. } = &mut self.state else { return };
        *under_way = under_way.saturating_sub(1);
        match (outcome, outcome.health()) {
            // Asking for less is not working again, and a slow answer is no sign of health.
            (Outcome::BackPressure(_), _) | (_, Health::Bad) => self.open(outcome.retry_after(), now),
            (_, Health::Good) if slow => self.open(None, now),
            (_, Health::Good) => {
                let ramp_to = self.config.half_open.ramp_to;
                *good += 1;
                *allowed = allowed.saturating_mul(2).min(ramp_to.max(self.config.half_open.probes));
                if *good >= ramp_to {
                    self.close();
                }
            }
            (_, Health::Unknown) => {}
        }
    }

    fn open(&mut self, asked: Option<Duration>, now: Moment) {
        let config = self.config.open;
        let exponent = i32::try_from(self.opened).unwrap_or(i32::MAX);
        let seconds = config.initial.as_secs_f64() * config.factor.powi(exponent);
        let length = Duration::try_from_secs_f64(seconds).unwrap_or(config.max).min(config.max);
        let length = scaled(length, 1.0 - config.jitter * self.draw.unit());
        let asked = asked.unwrap_or_default().min(RETRY_AFTER_MAX);
        self.opened = self.opened.saturating_add(1);
        self.change(State::Open { until: now + length.max(asked) });
    }

    fn close(&mut self) {
        self.opened = 0;
        self.failed_in_a_row = 0;
        self.window.clear();
        self.change(State::Closed);
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.cycle = self.cycle.wrapping_add(1);
    }
}

fn refuse(reason: Reason) -> Refusal {
    Refusal::new(Policy::Breaker, reason)
}
