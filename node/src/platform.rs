//! The platform node: the roles of this machine in one process. It serves until it is to stop, its gateway draining
//! before its hub closes; or until another process has taken over.

mod admin;
mod asks;
mod caches;
mod end;
mod face;
mod hub;
mod kept;
mod metrics;
mod names;
mod papers;
mod reload;
mod routing;
mod sockets;
mod upgrade;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use asks::Ask;
use face::Face;
use hub::OpenHub;
use kept::{Kept, Known};
use mamparo_admin::Server;
use mamparo_admin::limits::SOCKET_NAME;
use mamparo_config::{Config, LogFormat, Role};
use mamparo_context::Clock;
use mamparo_proxy::{AccessLog, Door, Entry, Fields, Limits, Listener, Proxy, Routing, Sink};
use mamparo_tls::ServerTls;
use metrics::Metrics;
pub(crate) use reload::Followed;
use reload::{Reload, watch};
use sockets::Sockets;
use tokio::sync::mpsc;
use upgrade::{Heir, Successor, Upgrades};

use crate::failure::{Failure, Outcome};
use crate::stop::Stop;
use crate::supervise::Addresses;
use crate::{logging, otlp};

/// What a platform node is called in traces, and the folder of its socket.
const NAME: &str = "node";
/// Workers of a gateway where the configuration names no number: more than that is rarely used on one machine.
const WORKERS_MAX: usize = 8;

/// Whether a gateway can serve the routes of `config`.
pub(crate) fn check(config: &Config) -> Outcome {
    routing::routing(config, &Addresses::new(), &mut Kept::none(&Known::default())).map(drop)
}

/// Runs the roles of `config` until it is time to stop; `followed` is the file that it comes from. `data` is prepared.
pub(crate) async fn run(config: Config, followed: Followed, data: &Path, addresses: Addresses) -> Outcome {
    let mut stop = Stop::listen().map_err(Failure::other)?;
    // Looked for now: later another program may lie in its place.
    upgrade::own_program();
    let (heir, inherited) = inherited(data)?;
    let mut node = Box::new(Node::start(&config, followed, data, addresses, inherited, &stop).await?);
    tracing::info!(data = %data.display(), roles = ?config.roles, "ready");
    // The process before this one serves the admin socket until it leaves.
    match heir {
        Some(heir) => {
            heir.serves().await;
            if let Err(failure) = node.open_socket(data) {
                tracing::error!(error = failure.message, "there is no admin socket");
            }
        }
        None => node.open_socket(data)?,
    }
    sockets::notify("READY=1");
    let end = node.serve(&mut stop).await?;
    Box::pin(end::end(*node, end, &mut stop)).await;
    Ok(())
}

/// Whom this process takes over from, and the sockets that it gets.
fn inherited(data: &Path) -> Result<(Option<Heir>, Sockets), Failure> {
    if let Some((heir, sockets)) = Heir::claim().map_err(Failure::other)? {
        return Ok((Some(heir), Sockets::inherited(sockets)));
    }
    if mamparo_admin::is_served(&data.join(NAME).join(SOCKET_NAME)) {
        return Err(Failure::data_in_use(data, "another `mamparo run`"));
    }
    let passed = sockets::passed().map_err(|error| {
        let message = format!("the sockets of `LISTEN_FDS` cannot be taken: {error}");
        Failure::config_unusable(message, "leave `LISTEN_PID` and `LISTEN_FDS` to systemd")
    })?;
    Ok((None, Sockets::inherited(passed)))
}

/// Why a node ends.
enum End {
    /// It is to stop.
    Stop,
    /// Another process has taken over.
    Upgraded(Box<Successor>),
}

/// A node that serves.
struct Node {
    reload: Reload,
    gateway: Option<Proxy>,
    hub: Option<OpenHub>,
    exporter: otlp::Exporter,
    ready: Arc<AtomicBool>,
    sockets: Sockets,
    upgrades: Upgrades,
    face: Face,
    asked: mpsc::Receiver<Ask>,
    admin: Option<admin::Serving>,
    socket: Option<Server>,
}

impl Node {
    async fn start(
        config: &Config,
        followed: Followed,
        data: &Path,
        addresses: Addresses,
        mut sockets: Sockets,
        stop: &Stop,
    ) -> Result<Self, Failure> {
        let admin = sockets.listen("listeners.admin", config.listeners.admin)?;
        let exporter = otlp::start(&config.telemetry, NAME);
        let metrics = Arc::new(Metrics::new());
        let hub = match config.roles.contains(&Role::Hub) {
            true => Some(OpenHub::open(config, data, &metrics, &mut sockets).await?),
            false => None,
        };
        let no_upgrade = no_upgrade(config, &followed, stop);
        let watched = followed.file.clone().filter(|_| followed.watch);
        let (reload, routing) = Reload::new(followed, config.clone(), addresses, Arc::clone(&metrics))?;
        let gateway = match config.roles.contains(&Role::Gateway) {
            true => Some(gateway(config, routing, &metrics, &mut sockets, reload.tls())?),
            false => None,
        };
        if let Some(gateway) = &gateway {
            tokio::spawn(names::follow(gateway.steering(), reload.found(), reload.standing()));
            tokio::spawn(papers::follow(reload.papers()));
        }
        sockets.settle();
        let (asks, asked) = asks::channel();
        asks::listen_to_signals(asks.clone()).map_err(Failure::other)?;
        if let Some(file) = watched {
            tokio::spawn(watch::watch(file, asks.clone(), Clock::system()));
        }
        let upgrades = Upgrades::new(no_upgrade);
        let ready = Arc::new(AtomicBool::new(true));
        let face = Face {
            others: face::others(config, data),
            standing: reload.standing(),
            metrics,
            ready: Arc::clone(&ready),
            proxy: gateway.as_ref().map(Proxy::view),
            upgrade: upgrades.state(),
            asks,
        };
        let admin = Some(admin::serve(admin, face.clone())?);
        Ok(Self {
            reload,
            gateway,
            hub,
            exporter,
            ready,
            sockets,
            upgrades,
            face,
            asked,
            admin,
            socket: None,
        })
    }

    fn open_socket(&mut self, data: &Path) -> Outcome {
        let socket = data.join(NAME).join(SOCKET_NAME);
        self.socket = Some(mamparo_admin::serve(self.face.clone(), &socket).map_err(Failure::other)?);
        Ok(())
    }

    /// Serves until there is a reason to end.
    async fn serve(&mut self, stop: &mut Stop) -> Result<End, Failure> {
        loop {
            let ended = async {
                match &mut self.hub {
                    Some(hub) => hub.ended().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                reason = stop.requested() => {
                    tracing::info!(reason, "stopping");
                    return Ok(End::Stop);
                }
                failure = ended => return Err(failure),
                Some(ask) = self.asked.recv() => match ask {
                    Ask::Reload { why, answer } => {
                        let standing = self.reload.again(why, self.gateway.as_ref()).await;
                        // Whoever asked may have gone meanwhile.
                        let _ = answer.map(|answer| answer.send(standing));
                    }
                    Ask::Drain => {
                        tracing::info!(reason = "asked on the admin socket", "stopping");
                        return Ok(End::Stop);
                    }
                    Ask::Upgrade { program, answer } => {
                        let time = self.reload.config().config.gateway.upgrade_ready;
                        let begun = self.upgrades.begin(program, self.sockets.to_pass_on(), time);
                        if let Err(why) = &begun {
                            tracing::warn!(why, "no upgrade");
                        }
                        let _ = answer.map(|answer| answer.send(begun));
                    }
                },
                Some(successor) = self.upgrades.done() => return Ok(End::Upgraded(Box::new(successor))),
            }
        }
    }
}

/// Why another process cannot take over from this one.
fn no_upgrade(config: &Config, followed: &Followed, stop: &Stop) -> Option<&'static str> {
    if stop.is_supervised() {
        return Some("`mamparo up` keeps this process; stop it and start the new program with `mamparo up`");
    }
    if followed.piped {
        return Some("the configuration came from standard input, where no other process can read it again");
    }
    let has_hub = config.roles.contains(&Role::Hub);
    has_hub.then_some(
        "the hub's ledger belongs to one process; run gateway and hub as two (`run --role gateway`)",
    )
}

/// The lines about requests go where the log goes: as JSON on a way of their own, which costs less.
fn access_log(config: &mamparo_config::AccessLog, format: LogFormat) -> AccessLog {
    let fields = config.fields.as_ref().map(|fields| Fields::of(fields.iter().map(String::as_str)));
    AccessLog {
        sink: logging::is_json(format).then(|| Sink::new(logging::write)),
        sample: config.sample,
        fields: fields.unwrap_or_default(),
    }
}

fn gateway(
    config: &Config,
    routing: Routing,
    metrics: &Metrics,
    sockets: &mut Sockets,
    tls: Option<Arc<ServerTls>>,
) -> Result<Proxy, Failure> {
    let mut listeners = vec![
        Listener {
            socket: sockets.listen("listeners.gateway", config.listeners.gateway)?,
            door: Door::Edge,
            entry: Entry::default(),
        },
        Listener {
            socket: sockets.listen("listeners.mesh", config.listeners.mesh)?,
            door: Door::Mesh,
            entry: Entry::default(),
        },
    ];
    if let (Some(address), Some(tls)) = (config.listeners.gateway_tls, tls) {
        let socket = sockets.listen("listeners.gateway_tls", address)?;
        listeners.push(Listener { socket, door: Door::Edge, entry: Entry { tls: Some(tls) } });
    }
    let mut options = mamparo_proxy::Options::new(routing);
    options.access_log = access_log(&config.gateway.access_log, config.log.format);
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
        connections_per_source: limits.connections_per_source,
        tunnel_idle: limits.tunnel_idle,
        ..Limits::default()
    };
    Proxy::start(options, listeners, Arc::clone(&metrics.proxy)).map_err(Failure::other)
}
