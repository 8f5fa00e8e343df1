//! Runs a projection: reads on from its checkpoint, applies in batches, waits for more.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mamparo_context::{Clock, Context, Random};
use mamparo_ledger::{Error, Head, Ledger, OpenError, Recorded, Result, Tx};
use tokio::sync::{Notify, watch};

use crate::keeper::{Care, Keeper};
use crate::schema::{MIGRATIONS, checkpoint};
use crate::{Handle, Options, Projection, Status, parked};

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many events were applied, or passed over because their stream is parked.
    Applied(usize),
    /// Every event is applied.
    Idle,
    /// Something failed; it is tried again not before this moment.
    Wait(Instant),
    /// The event at this position could not be applied, and its stream was parked.
    Parked(u64),
}

/// Runs one projection of one ledger. One runner for each name: a second one finds its place taken, and follows.
pub struct Runner<P> {
    keeper: Arc<Keeper<P>>,
    options: Options,
    clock: Clock,
    random: Random,
    head: watch::Receiver<Head>,
    position: u64,
    /// Failures in a row, whoever failed.
    failures: u32,
    /// How often the event behind `position` alone has failed.
    attempts: u32,
    /// A batch failed at this position: events up to it are applied first, then it alone.
    suspect: Option<u64>,
    wait_until: Option<Instant>,
}

/// What a transaction of a batch found.
enum Batch {
    /// Applied from where it was expected.
    Applied,
    /// The checkpoint is elsewhere: somebody else moved it, or an answer was lost.
    Elsewhere(u64),
}

impl<P: Projection> Runner<P> {
    /// A runner of `projection` over the events of `ledger`. Makes the tables it needs, and clears a read model
    /// that was built with another version of the projection.
    ///
    /// # Errors
    /// The tables cannot be made, the read model cannot be cleared, or the ledger cannot be written to.
    pub async fn open(
        ledger: Ledger,
        projection: P,
        options: Options,
    ) -> std::result::Result<Self, OpenError> {
        ledger.migrate(MIGRATIONS).await?;
        let name: Arc<str> = projection.name().into();
        let version = projection.version();
        let (clock, head) = (ledger.clock().clone(), ledger.head());
        let keeper = Arc::new(Keeper {
            projection: Arc::new(projection),
            checkpoint: checkpoint(&name).into(),
            name,
            ledger,
            status: watch::Sender::new(Status::default()),
            moved: AtomicBool::new(false),
            nudge: Notify::new(),
        });
        let failed = |error: Error| OpenError::Migration {
            component: format!("projection {}", keeper.name),
            version,
            message: error.to_string(),
        };
        let position = keeper.reset(false).await.map_err(failed)?;
        keeper.count_parked().await.map_err(failed)?;
        let runner = Self {
            keeper,
            options: options.in_range(),
            clock,
            random: Random::system(),
            head,
            position,
            failures: 0,
            attempts: 0,
            suspect: None,
            wait_until: None,
        };
        runner.tell(None);
        Ok(runner)
    }

    /// The same runner with jitter from a seed.
    #[must_use]
    pub fn with_random(mut self, random: Random) -> Self {
        self.random = random;
        self
    }

    /// To watch it from anywhere.
    pub fn handle(&self) -> Handle {
        let care: Arc<dyn Care> = Arc::clone(&self.keeper) as Arc<dyn Care>;
        Handle { name: Arc::clone(&self.keeper.name), status: self.keeper.status.subscribe(), care }
    }

    /// Runs until `shutdown` ends; the transaction that runs then still commits or does not, as a whole.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let step = tokio::select! {
                biased;
                () = &mut shutdown => return,
                step = self.step() => step,
            };
            let position = self.position;
            let next = async {
                match step {
                    Step::Applied(_) | Step::Parked(_) => true,
                    Step::Idle => tokio::select! {
                        () = self.keeper.nudge.notified() => true,
                        head = self.head.wait_for(|head| head.position > position) => head.is_ok(),
                    },
                    Step::Wait(until) => {
                        tokio::time::sleep(until.saturating_duration_since(self.clock.now())).await;
                        true
                    }
                }
            };
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                open = next => if !open { return },
            }
        }
    }

    /// Applies the next batch, if it is time.
    pub async fn step(&mut self) -> Step {
        if let Some(until) = self.wait_until.filter(|until| *until > self.clock.now()) {
            return Step::Wait(until);
        }
        if self.keeper.moved.swap(false, Ordering::SeqCst) {
            match self.keeper.position().await {
                Ok(position) => self.arrive(position),
                Err(error) => {
                    self.keeper.moved.store(true, Ordering::SeqCst);
                    return self.failed(error.to_string());
                }
            }
        }
        let most = match self.suspect {
            // Up to the event that failed, then that one alone.
            Some(at) if at > self.position + 1 => usize::try_from(at - self.position - 1).unwrap_or(1),
            Some(_) => 1,
            None => self.options.batch,
        };
        let events = match self.keeper.ledger.read_all(self.position, most.min(self.options.batch)).await {
            Ok(events) => Arc::new(events),
            Err(error) => return self.failed(error.to_string()),
        };
        let Some(last) = events.last().map(|event| event.position) else {
            self.tell(None);
            return Step::Idle;
        };
        let at = Arc::new(AtomicU64::new(0));
        let error = match self.apply(&events, &at).await {
            Ok(Batch::Applied) => {
                self.arrive(last);
                return Step::Applied(events.len());
            }
            Ok(Batch::Elsewhere(position)) => {
                self.arrive(position);
                return Step::Applied(0);
            }
            Err(error) => error,
        };
        // An engine that fails is nobody's fault; an event is one that failed alone.
        let at = at.load(Ordering::SeqCst);
        let blamed = events.iter().find(|event| event.position == at && !is_of_the_engine(&error));
        match blamed {
            None => self.failed(error.to_string()),
            Some(_) if events.len() > 1 => {
                self.suspect = Some(at);
                Step::Applied(0)
            }
            Some(event) => {
                (self.attempts, self.suspect) = (self.attempts + 1, Some(at));
                if self.attempts >= self.options.attempts {
                    return self.park(event, error).await;
                }
                self.failed(error.to_string())
            }
        }
    }

    /// One transaction: every event of the batch, and the checkpoint. `at` tells which event it is at.
    async fn apply(&self, events: &Arc<Vec<Recorded>>, at: &Arc<AtomicU64>) -> Result<Batch> {
        let (projection, name) = (Arc::clone(&self.keeper.projection), Arc::clone(&self.keeper.name));
        let (checkpoint, expected) = (Arc::clone(&self.keeper.checkpoint), self.position);
        let (events, at) = (Arc::clone(events), Arc::clone(at));
        let work = async move |tx: &mut Tx<'_>| {
            let found = tx.checkpoint(&checkpoint).await?;
            if found != expected {
                return Ok(Batch::Elsewhere(found));
            }
            let parked: HashSet<String> = parked::names(tx, &name).await?.into_iter().collect();
            for event in events.iter().filter(|event| !parked.contains(event.stream.as_str())) {
                at.store(event.position, Ordering::SeqCst);
                projection.apply(tx, event).await?;
            }
            at.store(0, Ordering::SeqCst);
            if let Some(last) = events.last() {
                tx.set_checkpoint(&checkpoint, last.position).await?;
            }
            Ok(Batch::Applied)
        };
        self.keeper.ledger.transact(&Context::root(), work).await
    }

    async fn park(&mut self, event: &Recorded, error: Error) -> Step {
        let (name, checkpoint, expected) =
            (Arc::clone(&self.keeper.name), Arc::clone(&self.keeper.checkpoint), self.position);
        let (why, attempts, parking) = (error.to_string(), self.attempts, event.clone());
        let work = async move |tx: &mut Tx<'_>| {
            if tx.checkpoint(&checkpoint).await? != expected {
                return Ok(true);
            }
            let parked = parked::park(tx, &name, &parking, &why, attempts).await?;
            if parked {
                tx.set_checkpoint(&checkpoint, parking.position).await?;
            }
            Ok(parked)
        };
        match self.keeper.ledger.transact(&Context::root(), work).await {
            Ok(true) => {
                tracing::warn!(projection = %self.keeper.name, stream = %event.stream, %error, "stream parked");
                self.keeper.status.send_modify(|status| {
                    status.parked += 1;
                    status.last_error = Some(error.to_string());
                });
                self.arrive(event.position);
                Step::Parked(event.position)
            }
            Ok(false) => self.failed(format!("too many streams are parked: {error}")),
            Err(unparked) => self.failed(unparked.to_string()),
        }
    }

    fn arrive(&mut self, position: u64) {
        self.position = position;
        (self.failures, self.attempts) = (0, 0);
        self.wait_until = None;
        self.suspect = self.suspect.filter(|at| *at > position);
        self.tell(None);
    }

    fn failed(&mut self, error: String) -> Step {
        self.failures = self.failures.saturating_add(1);
        tracing::warn!(projection = %self.keeper.name, failures = self.failures, error, "not applied");
        let now = self.clock.now();
        let pause: Duration = self.options.pause(self.failures, self.random.unit());
        let until = now.checked_add(pause).unwrap_or(now);
        self.wait_until = Some(until);
        self.tell(Some(error));
        Step::Wait(until)
    }

    fn tell(&self, error: Option<String>) {
        let head = self.head.borrow().position;
        self.keeper.status.send_modify(|status| {
            // Somebody set it back: what is known here is not true any more.
            if !self.keeper.moved.load(Ordering::SeqCst) {
                status.position = self.position;
            }
            status.head = head.max(status.position);
            status.failures = self.failures;
            status.last_error = error.or(status.last_error.take());
        });
    }
}

/// Failures that say nothing about the event that was being applied.
fn is_of_the_engine(error: &Error) -> bool {
    match error {
        Error::App(_) | Error::VersionConflict { .. } => false,
        other => other.fault().is_transient(),
    }
}
