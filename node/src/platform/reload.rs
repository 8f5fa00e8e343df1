//! Puts the next version of the configuration in force while the node runs: the routing is swapped as a whole, what
//! is wrong is refused part by part, and what cannot change in a running process is named.

mod fixed;
mod standing;
pub(crate) mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use mamparo_config::{Config, InForce, Kept, Next, Problem, Refused};
use mamparo_context::Clock;
use mamparo_proxy::{Proxy, Routing};
use mamparo_tls::ServerTls;
pub(crate) use standing::{Standing, Verdict};
use tokio::sync::watch::{Receiver, Sender};

use super::kept::{Found, Kept as Keeping, Known};
use super::metrics::Metrics;
use super::papers::Papers;
use super::routing::routing;
use crate::commands::load::Source;
use crate::failure::Failure;
use crate::logging;
use crate::supervise::Addresses;

/// The file whose next versions are put in force.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    pub(crate) in_force: InForce,
    /// The text that is in force.
    pub(crate) text: String,
    /// `None` where there is no file that could be read again.
    pub(crate) file: Option<PathBuf>,
    /// Whether it is looked at without being asked.
    pub(crate) watch: bool,
    /// Whether it came from standard input, which nobody can read twice.
    pub(crate) piped: bool,
}

/// What is in force, and how it came to be.
pub(crate) struct Reload {
    followed: Followed,
    in_force: Arc<InForce>,
    /// What the process was started with, and what it said in the file: `--role` and `--data` go before that.
    running: Config,
    written: Config,
    addresses: Addresses,
    known: Known,
    papers: Arc<Papers>,
    clock: Clock,
    metrics: Arc<Metrics>,
    standing: Sender<Arc<Standing>>,
}

/// What was read.
enum Read {
    Same,
    Unreadable(String),
    Other(String, Box<Next>),
}

impl Reload {
    /// What `followed` says, as the process `running` is started with it; and the routing to start with.
    pub(crate) fn new(
        followed: Followed,
        running: Config,
        addresses: Addresses,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, Routing), Failure> {
        let nothing = Known::default();
        let mut keeping = Keeping::after(&nothing);
        let routing = routing(&running, &addresses, &mut keeping)?;
        let known = keeping.into_known();
        let papers = Arc::new(Papers::load(running.gateway.tls.as_ref(), known.tls())?);
        metrics.watch_policies(known.policies());
        metrics.watch_quotas(known.quotas());
        metrics.watch_caches(routing.caches());
        let clock = Clock::system();
        let standing = Standing::started(running.clone(), followed.file.as_deref(), clock.wall());
        metrics.config.show(&standing);
        let reload = Self {
            in_force: Arc::new(followed.in_force.clone()),
            written: followed.in_force.config().clone(),
            running,
            addresses,
            known,
            papers,
            clock,
            metrics,
            standing: Sender::new(Arc::new(standing)),
            followed,
        };
        Ok((reload, routing))
    }

    /// TLS of the gateway, where it has it.
    pub(crate) fn tls(&self) -> Option<Arc<ServerTls>> {
        self.papers.server()
    }

    /// All that is read from files of certificates.
    pub(crate) fn papers(&self) -> Arc<Papers> {
        Arc::clone(&self.papers)
    }

    /// What names were found to have.
    pub(crate) fn found(&self) -> Found {
        Arc::clone(self.known.found())
    }

    /// How the configuration stands, now and later.
    pub(crate) fn standing(&self) -> Receiver<Arc<Standing>> {
        self.standing.subscribe()
    }

    /// What is in force.
    pub(crate) fn config(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.borrow())
    }

    /// Reads the file again and puts in force what is good of it. `why` is logged.
    pub(crate) async fn again(&mut self, why: &'static str, proxy: Option<&Proxy>) -> Arc<Standing> {
        let began = self.clock.now();
        match self.read().await {
            Read::Same => tracing::debug!(why, "the configuration is read again and says the same"),
            Read::Unreadable(error) => self.refuse_all(began, error),
            Read::Other(text, next) => {
                self.followed.text = text;
                self.take(began, *next, proxy);
            }
        }
        self.config()
    }

    /// Reads and checks on a thread that may be busy for a while.
    async fn read(&self) -> Read {
        let Some(file) = self.followed.file.clone() else {
            return Read::Unreadable("it was not started with a file that could be read again".into());
        };
        let (last, before) = (Arc::clone(&self.in_force), self.followed.text.clone());
        let read = move || match Source::read_with(&file, "") {
            Err(failure) => Read::Unreadable(failure.message),
            Ok(source) if source.text == before => Read::Same,
            Ok(source) => {
                let next = last.next(&source.text, &source.name);
                Read::Other(source.text, Box::new(next))
            }
        };
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Read::Unreadable(error.to_string()))
    }

    fn take(&mut self, began: Instant, next: Next, proxy: Option<&Proxy>) {
        let Next { in_force, refused, parts } = next;
        let Some(in_force) = in_force else { return self.refuse(began, refused, parts) };
        let config = fixed::keep(in_force.config().clone(), &self.running);
        if let Err(failure) = self.put(&config, proxy) {
            return self.refuse_all(began, failure.message);
        }
        let needs_restart = fixed::changed(in_force.config(), &self.written, &self.addresses);
        self.in_force = Arc::new(in_force);
        let took = self.clock.now().saturating_duration_since(began);
        let standing = self.config().next(config, self.clock.wall(), took, (refused, parts), needs_restart);
        let (generation, routes) = (standing.generation, standing.config.gateway.routes.len());
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.stand(standing);
        tracing::info!(generation, routes, took_us, "the configuration is in force");
    }

    /// Swaps the routing, and what else can change. On a failure nothing has changed.
    fn put(&mut self, config: &Config, proxy: Option<&Proxy>) -> Result<(), Failure> {
        let build = |known| {
            let mut keeping = Keeping::after(known);
            routing(config, &self.addresses, &mut keeping).map(|next| (next, keeping.into_known()))
        };
        self.known.can_watch(config)?;
        // Where policies change in place, nothing may go wrong after they have.
        let built = match self.known.changes_in_place(config) {
            true => routing(config, &self.addresses, &mut Keeping::none(&self.known)).map(|_| None)?,
            false => Some(build(&self.known)?),
        };
        self.papers.reconfigure(config.gateway.tls.as_ref())?;
        let (next, known) = match built {
            Some(built) => built,
            None => build(&self.known)?,
        };
        self.known = known;
        self.papers.show(self.known.tls());
        self.metrics.watch_policies(self.known.policies());
        self.metrics.watch_quotas(self.known.quotas());
        self.metrics.watch_caches(next.caches());
        if let Some(proxy) = proxy {
            proxy.reconfigure(next);
        }
        let before = self.config();
        if before.config.log.level != config.log.level {
            logging::set_by_file(&config.log.level);
        }
        Ok(())
    }

    fn refuse_all(&mut self, began: Instant, message: String) {
        let file = self.followed.file.as_deref().map(|file| file.display().to_string());
        let (file, path) = (file.unwrap_or_default(), String::new());
        let problem = Problem { file, line: 1, column: 1, path, message, suggestion: None };
        self.refuse(began, vec![Refused { problem, kept: Kept::Everything }], 1);
    }

    fn refuse(&mut self, began: Instant, refused: Vec<Refused>, parts: usize) {
        let took = self.clock.now().saturating_duration_since(began);
        let standing = self.config().refused(self.clock.wall(), took, (refused, parts));
        let generation = standing.generation;
        self.stand(standing);
        tracing::warn!(generation, "the configuration is refused, nothing has changed");
    }

    fn stand(&self, standing: Standing) {
        let standing = Arc::new(standing);
        self.metrics.config.show(&standing);
        self.metrics.config.count(standing.verdict);
        self.standing.send_replace(Arc::clone(&standing));
        for Refused { problem, kept } in &standing.refused {
            let Problem { line, column, path, message, suggestion, .. } = problem;
            let suggestion = suggestion.as_deref();
            tracing::warn!(line, column, path, problem = message, suggestion, "{}", kept.describe());
        }
        for key in &standing.needs_restart {
            tracing::warn!(key, "this change needs a restart");
        }
    }
}
