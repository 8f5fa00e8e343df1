//! The role `hub`: queues and logs in a ledger of their own, served to other processes.

use std::path::Path;
use std::sync::Arc;

use mamparo_admin::Server;
use mamparo_config::{Config, Topic};
use mamparo_hub::{Backoff, Hub, LogOptions, OpenError, QueueOptions, ServeError, TopicOptions};
use mamparo_ledger::Ledger;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::metrics::Metrics;
use super::sockets::Sockets;
use crate::failure::Failure;
use crate::process_metrics::{Watched, text_of};

/// A hub that serves.
pub(crate) struct OpenHub {
    ledger: Ledger,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), ServeError>>,
    _admin: Server,
}

impl OpenHub {
    /// Opens the hub that `config` describes under the data folder `data`.
    pub(crate) async fn open(
        config: &Config,
        data: &Path,
        metrics: &Metrics,
        sockets: &mut Sockets,
    ) -> Result<Self, Failure> {
        let listener = sockets.listen("listeners.hub", config.listeners.hub)?;
        listener.set_nonblocking(true).map_err(Failure::other)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(Failure::other)?;
        let folder = data.join("hub");
        let ledger = mamparo_ledger_sqlite::Options::new(folder.join("hub.db")).open()?;
        let topics = config.topics.iter().map(|(name, topic)| options(name, topic)).collect();
        let hub = Hub::open(ledger.clone(), topics).await?;
        metrics.watch_hub(hub.clone(), ledger.clone());
        let face = mamparo_admin::Face::new("hub", ledger.clone())
            .queue(Arc::new(hub.clone()))
            .log(Arc::new(hub.clone()))
            .metrics(text_of(Watched::only(ledger.clone())));
        let socket = folder.join(mamparo_admin::limits::SOCKET_NAME);
        let admin = mamparo_admin::serve(face, &socket).map_err(Failure::other)?;
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(mamparo_hub::serve(hub, listener, async {
            // A sender that is gone means the same.
            let _ = stopped.await;
        }));
        Ok(Self { ledger, stop, serving, _admin: admin })
    }

    /// Waits until the hub ends although nobody stopped it.
    ///
    /// Cancel safe.
    pub(crate) async fn ended(&mut self) -> Failure {
        match (&mut self.serving).await {
            Ok(Ok(())) => Failure::other("the hub has ended"),
            Ok(Err(error)) => Failure::other(error),
            Err(error) => Failure::other(error),
        }
    }

    /// Finishes what is under way and closes the ledger.
    pub(crate) async fn close(self) {
        // One that has ended already needs no stop.
        let _ = self.stop.send(());
        if let Ok(Err(error)) = self.serving.await {
            tracing::warn!(%error, "the hub did not end well");
        }
        self.ledger.close().await;
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Ledger(error) => error.into(),
            OpenError::Topic(error) => Failure::config_unusable(error, "correct `topics`"),
            other => Failure::other(other),
        }
    }
}

fn options(name: &str, topic: &Topic) -> TopicOptions {
    match topic {
        Topic::Queue(queue) => {
            let options = QueueOptions {
                max_attempts: queue.max_attempts,
                visibility: queue.visibility,
                backoff: Backoff { ..QueueOptions::default().backoff },
                capacity_messages: queue.capacity,
                capacity_bytes: queue.capacity_bytes,
                dedup: queue.dedup,
                subscriptions: queue.subscribe.clone(),
            };
            TopicOptions::queue(name, options)
        }
        Topic::Log(log) => {
            let options = LogOptions {
                partitions: log.partitions,
                retention_age: log.retention,
                retention_bytes: log.retention_bytes,
                retention_records: log.retention_records,
            };
            TopicOptions::log(name, options)
        }
        Topic::Fanout => TopicOptions::fanout(name),
    }
}
