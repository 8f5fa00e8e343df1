//! The platform node: the roles of this machine in one process, its gateway draining before its hub closes.

mod admin;
mod asks;
mod hub;
mod metrics;
mod reload;
mod routing;
mod stacks;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use asks::Ask;
use hub::OpenHub;
use mamparo_config::{Config, Role};
use mamparo_context::Clock;
use mamparo_proxy::{Door, Entry, Limits, Listener, Proxy, Routing};
use metrics::Metrics;
pub(crate) use reload::Followed;
use reload::{Reload, watch};
use stacks::{Known, Stacks};

use crate::failure::{Failure, Outcome};
use crate::otlp;
use crate::stop::Stop;
use crate::supervise::{Addresses, bind};

/// What a platform node is called in traces.
const NAME: &str = "node";
/// Workers of a gateway where the configuration names no number: more than that is rarely used on one machine.
const WORKERS_MAX: usize = 8;

/// Whether a gateway can serve the routes of `config`.
pub(crate) fn check(config: &Config) -> Outcome {
    routing::routing(config, &Addresses::new(), &mut Stacks::after(&Known::new())).map(drop)
}

/// Runs the roles of `config` until it is time to stop; `followed` is the file that it comes from. `data` is prepared.
pub(crate) async fn run(config: Config, followed: Followed, data: &Path, addresses: Addresses) -> Outcome {
    let mut stop = Stop::listen().map_err(Failure::other)?;
    let admin = bind("listeners.admin", config.listeners.admin)?;
    let exporter = otlp::start(&config.telemetry, NAME);
    let metrics = Arc::new(Metrics::new());
    let ready = Arc::new(AtomicBool::new(false));
    let mut hub = match config.roles.contains(&Role::Hub) {
        true => Some(OpenHub::open(&config, data, &metrics).await?),
        false => None,
    };
    let watched = followed.file.clone().filter(|_| followed.watch);
    let (mut reload, routing) = Reload::new(followed, config.clone(), addresses, Arc::clone(&metrics))?;
    let gateway = match config.roles.contains(&Role::Gateway) {
        true => Some(gateway(&config, routing, &metrics)?),
        false => None,
    };
    let face = admin::Face::new(&config, data, Arc::clone(&metrics), Arc::clone(&ready), reload.standing());
    let _admin = admin::serve(admin, face)?;
    let (asks, mut asked) = asks::channel();
    asks::listen_to_signals(asks.clone()).map_err(Failure::other)?;
    if let Some(file) = watched {
        tokio::spawn(watch::watch(file, asks, Clock::system()));
    }
    ready.store(true, Ordering::Relaxed);
    tracing::info!(data = %data.display(), roles = ?config.roles, "ready");

    loop {
        let ended = async {
            match &mut hub {
                Some(hub) => hub.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            reason = stop.requested() => {
                tracing::info!(reason, "stopping");
                break;
            }
            failure = ended => return Err(failure),
            Some(Ask::Reload { why, answer }) = asked.recv() => {
                let standing = reload.again(why, gateway.as_ref()).await;
                // Whoever asked may have gone meanwhile.
                let _ = answer.map(|answer| answer.send(standing));
            }
        }
    }
    ready.store(false, Ordering::Relaxed);
    let gently = async {
        if let Some(gateway) = gateway {
            let drained = gateway.drain(reload.config().config.gateway.drain).await;
            tracing::info!(cut = drained.cut, "the gateway has drained");
        }
        if let Some(hub) = hub {
            hub.close().await;
        }
        exporter.close().await;
    };
    let supervised = stop.is_supervised();
    tokio::select! {
        () = gently => tracing::info!("stopped"),
        reason = stop.requested(), if !supervised => tracing::warn!(reason, "stopped without waiting"),
    }
    Ok(())
}

fn gateway(config: &Config, routing: Routing, metrics: &Metrics) -> Result<Proxy, Failure> {
    let listeners = vec![
        Listener {
            socket: bind("listeners.gateway", config.listeners.gateway)?,
            door: Door::Edge,
            entry: Entry::default(),
        },
        Listener {
            socket: bind("listeners.mesh", config.listeners.mesh)?,
            door: Door::Mesh,
            entry: Entry::default(),
        },
    ];
    let mut options = mamparo_proxy::Options::new(routing);
    let workers = config.gateway.workers.and_then(NonZeroUsize::new);
    options.workers =
        workers.unwrap_or_else(|| options.workers.min(NonZeroUsize::MIN.saturating_add(WORKERS_MAX - 1)));
    let limits = &config.gateway.limits;
    options.limits = Limits {
        connections_per_worker: limits.connections,
        header_bytes: usize::try_from(limits.header).unwrap_or(usize::MAX),
        body_bytes: limits.body,
        header_time: limits.header_time,
        body_idle: limits.body_idle,
        idle_time: limits.idle,
        ..Limits::default()
    };
    Proxy::start(options, listeners, Arc::clone(&metrics.proxy)).map_err(Failure::other)
}
