//! A bounded line before a number of threads: work is refused when it could not be done in time, done by class, and
//! looked at again before it begins. Both lanes are this, on different threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mamparo_context::{Clock, Context, Moment, Random};
use tokio::sync::oneshot;

use super::core::{Backlog, Costs};
use super::job::{Job, LaneError, message};
use crate::shed::core::index;
use crate::shed::{Exit, Line, LineConfig, Place};
use crate::time::timeout_at;
use crate::{Counts, Policy, Reason, Refusal};

/// Where work is done.
pub(super) enum Threads {
    Rayon(rayon::ThreadPool),
    Tokio(tokio::runtime::Handle),
}

/// Work with its answer; told that it was refused, it passes that on.
type Work = Box<dyn FnOnce(Result<(), Refusal>) + Send>;

struct Queued {
    label: &'static str,
    class: usize,
    cost: Duration,
    deadline: Moment,
    work: Work,
}

struct State {
    line: Line<Queued>,
    costs: Costs,
    backlog: Backlog,
    /// Threads that take work from the line.
    takers: usize,
    threads: usize,
    next: u64,
    retry_after: Duration,
}

pub(super) struct Pool {
    pub(super) counts: Counts,
    clock: Clock,
    random: Random,
    threads: Threads,
    state: Mutex<State>,
}

/// What a lane showed at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneState {
    /// How much can be done at the same time.
    pub threads: usize,
    /// How much is being done.
    pub running: usize,
    /// How much stands in line.
    pub waiting: usize,
    /// How long new work of the default class would wait.
    pub wait: Duration,
    /// How long work of each label takes.
    pub costs: Vec<(&'static str, Duration)>,
}

impl Pool {
    pub(super) fn new(
        threads: Threads,
        size: usize,
        line: LineConfig,
        retry_after: Duration,
        clock: Clock,
        random: Random,
    ) -> Arc<Self> {
        let state = State {
            line: Line::new(line),
            costs: Costs::default(),
            backlog: Backlog::default(),
            takers: 0,
            threads: size,
            next: 0,
            retry_after,
        };
        Arc::new(Self { counts: Counts::default(), clock, random, threads, state: Mutex::new(state) })
    }

    pub(super) fn reconfigure(self: &Arc<Self>, size: usize, line: LineConfig, retry_after: Duration) {
        let mut state = self.state();
        state.line.reconfigure(line);
        state.retry_after = retry_after;
        state.threads = size;
        let more = state.line.len().min(size.saturating_sub(state.takers));
        state.takers += more;
        drop(state);
        (0..more).for_each(|_| self.take());
    }

    pub(super) fn shows(&self) -> LaneState {
        let state = self.state();
        let class = index(mamparo_context::Criticality::default());
        LaneState {
            threads: state.threads,
            running: state.backlog.running(),
            waiting: state.line.len(),
            wait: state.backlog.wait(class, state.threads, self.clock.moment()),
            costs: state.costs.iter().collect(),
        }
    }

    pub(super) async fn run<T, F>(
        self: &Arc<Self>,
        cx: &Context,
        label: &'static str,
        work: F,
    ) -> Result<T, LaneError>
    where
        T: Send + 'static,
        F: FnOnce(&Job) -> T + Send + 'static,
    {
        let deadline = cx.deadline().map_or(Moment::NEVER, |deadline| deadline.moment());
        let cancelled = Arc::new(AtomicBool::new(false));
        let job = Job { cancelled: Arc::clone(&cancelled), deadline, clock: self.clock.clone() };
        let (answer, answered) = oneshot::channel();
        let work = move |verdict: Result<(), Refusal>| {
            let done = verdict.map_err(LaneError::from).and_then(|()| {
                let done = catch_unwind(AssertUnwindSafe(|| work(&job)));
                done.map_err(|panic| LaneError::Panicked { label, message: message(&*panic) })
            });
            // Nobody may be left to hear it.
            let _ = answer.send(done);
        };
        let (place, until) = self.push(cx, label, deadline, Box::new(work))?;
        let caller = Caller { pool: self, place, cancelled };
        caller.wait(label, until, deadline, answered).await
    }

    /// Puts work into the line: its place, and until when it waits there.
    fn push(
        self: &Arc<Self>,
        cx: &Context,
        label: &'static str,
        deadline: Moment,
        work: Work,
    ) -> Result<(Place, Moment), Refusal> {
        let now = self.clock.moment();
        let class = index(cx.criticality());
        let mut state = self.state();
        let cost = state.costs.of(label);
        let first = if state.line.is_overloaded() { class + 1 } else { class };
        let wait = state.backlog.wait(first, state.threads, now);
        let refuse = |reason, state: &State| {
            self.counts.refused();
            Err(self.refusal(reason, state.retry_after))
        };
        if deadline != Moment::NEVER && now + wait + cost > deadline {
            if deadline <= now {
                return refuse(Reason::DeadlinePassed, &state);
            }
            if now + cost > deadline {
                state.costs.doubt(label);
            }
            return refuse(Reason::WaitTooLong, &state);
        }
        let queued = Queued { label, class, cost, deadline, work };
        let placed = match state.line.push(cx.criticality(), deadline, queued, now) {
            Ok(placed) => placed,
            Err((reason, _)) => return refuse(reason, &state),
        };
        state.backlog.push(class, cost);
        if let Some(displaced) = &placed.displaced {
            state.backlog.pop(displaced.class, displaced.cost);
        }
        let is_needed = state.takers < state.threads;
        state.takers += usize::from(is_needed);
        let retry_after = state.retry_after;
        drop(state);
        if let Some(displaced) = placed.displaced {
            self.turn_away(displaced, Reason::Overloaded, retry_after);
        }
        if is_needed {
            self.take();
        } else {
            self.counts.waited();
        }
        Ok((placed.place, placed.until))
    }

    /// Has a thread take work from the line until it is empty.
    fn take(self: &Arc<Self>) {
        let taker = Taker(Some(Arc::clone(self)));
        match &self.threads {
            Threads::Rayon(pool) => pool.spawn(move || taker.work()),
            Threads::Tokio(runtime) => drop(runtime.spawn_blocking(move || taker.work())),
        }
    }

    /// Does one piece of work; `false` when there is none, or fewer threads are wanted by now.
    fn work_once(&self) -> bool {
        let now = self.clock.moment();
        let mut state = self.state();
        let exit = if state.takers > state.threads { None } else { state.line.pop(now) };
        let Some(exit) = exit else {
            state.takers -= 1;
            return false;
        };
        match exit {
            Exit::Late { what, reason } => {
                state.backlog.pop(what.class, what.cost);
                let retry_after = state.retry_after;
                drop(state);
                self.turn_away(what, reason, retry_after);
            }
            Exit::Turn { what, .. } if now + state.costs.of(what.label) > what.deadline => {
                state.backlog.pop(what.class, what.cost);
                let retry_after = state.retry_after;
                drop(state);
                self.turn_away(what, Reason::TooLittleTime, retry_after);
            }
            Exit::Turn { what, .. } => {
                state.backlog.pop(what.class, what.cost);
                state.next += 1;
                let number = state.next;
                state.backlog.start(number, what.cost, now);
                drop(state);
                self.counts.admitted();
                (what.work)(Ok(()));
                let ended = self.clock.moment();
                let mut state = self.state();
                if let Some(took) = state.backlog.end(number, ended) {
                    state.costs.learn(what.label, took);
                }
            }
        }
        true
    }

    fn turn_away(&self, queued: Queued, reason: Reason, retry_after: Duration) {
        self.counts.refused();
        (queued.work)(Err(self.refusal(reason, retry_after)));
    }

    /// Takes work out of the line that has not begun; `false` when it has.
    fn withdraw(&self, place: Place) -> bool {
        let mut state = self.state();
        let Some(queued) = state.line.remove(place) else { return false };
        state.backlog.pop(queued.class, queued.cost);
        true
    }

    fn refusal(&self, reason: Reason, retry_after: Duration) -> Refusal {
        Refusal::new(Policy::Lane, reason).retry_after(retry_after.mul_f64(0.5 + self.random.unit()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread's promise to take work. Where its runtime has gone before it began, nobody else would: what stands in
/// line is turned away.
struct Taker(Option<Arc<Pool>>);

impl Taker {
    fn work(mut self) {
        if let Some(pool) = self.0.take() {
            while pool.work_once() {}
        }
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        let Some(pool) = self.0.take() else { return };
        let mut state = pool.state();
        state.takers -= 1;
        let now = pool.clock.moment();
        let mut left = Vec::new();
        while let Some(Exit::Turn { what, .. } | Exit::Late { what, .. }) = state.line.pop(now) {
            state.backlog.pop(what.class, what.cost);
            left.push(what);
        }
        let retry_after = state.retry_after;
        drop(state);
        left.into_iter().for_each(|queued| pool.turn_away(queued, Reason::Closed, retry_after));
    }
}

/// Whoever waits for work. Dropped, the work is taken out of the line, or asked to stop.
struct Caller<'a> {
    pool: &'a Arc<Pool>,
    place: Place,
    cancelled: Arc<AtomicBool>,
}

impl Caller<'_> {
    async fn wait<T>(
        &self,
        label: &'static str,
        until: Moment,
        deadline: Moment,
        mut answered: oneshot::Receiver<Result<T, LaneError>>,
    ) -> Result<T, LaneError> {
        let clock = &self.pool.clock;
        let closed = || Err(Refusal::new(Policy::Lane, Reason::Closed).into());
        if let Ok(answer) = timeout_at(clock, until, &mut answered).await {
            return answer.unwrap_or_else(|_| closed());
        }
        if self.pool.withdraw(self.place) {
            self.pool.counts.refused();
            let reason = if until == deadline { Reason::DeadlinePassed } else { Reason::WaitedTooLong };
            let retry_after = self.pool.state().retry_after;
            return Err(self.pool.refusal(reason, retry_after).into());
        }
        match timeout_at(clock, deadline, answered).await {
            Ok(answer) => answer.unwrap_or_else(|_| closed()),
            Err(_) => Err(LaneError::Abandoned { label }),
        }
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        if self.pool.withdraw(self.place) {
            self.pool.counts.cancelled();
        }
    }
}
