//! A service of the shop as a process: its folder, its address, its hub, its admin socket, and when it stops.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use mamparo_admin::{Face, Orchestrated, Server};
use mamparo_broker::Queue;
use mamparo_config::Config;
use mamparo_context::Random;
use mamparo_relay::Status;
use mamparo_shop_http::Client;
use mamparo_shop_payments::provider::{self, Behaviour};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::commands::load::{Source, file_or_default};
use crate::failure::{Failure, Outcome};
use crate::process_metrics::{Watched, text_of};
use crate::stop::Stop;
use crate::supervise::{bind, prepare};
use crate::{logging, otlp};

/// Threads of the runtime of one service, beside those of its ledger.
const THREADS: usize = 2;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder of this service.
    #[arg(long, value_name = "DIR", env = "MAMPARO_DATA", hide_env_values = true)]
    data: PathBuf,
    /// Where it listens.
    #[arg(long, value_name = "ADDRESS", env = "MAMPARO_LISTEN", hide_env_values = true)]
    listen: SocketAddr,
    /// Where the hub is.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "MAMPARO_HUB",
        hide_env_values = true,
        default_value = "127.0.0.1:9910"
    )]
    hub: SocketAddr,
    /// Where services reach each other by name.
    #[arg(
        long,
        value_name = "URL",
        env = "MAMPARO_MESH",
        hide_env_values = true,
        default_value = "http://127.0.0.1:9920"
    )]
    mesh: String,
    /// The configuration; default: ./mamparo.yaml, or the shop where there is none.
    #[arg(long, value_name = "FILE", env = "MAMPARO_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
}

/// What a service is opened with.
pub(super) struct Frame {
    name: &'static str,
    data: PathBuf,
    listener: TcpListener,
    queue: Arc<dyn Queue>,
    mesh: String,
    config: Config,
    stop: Stop,
}

/// Runs a service until it is time to stop.
pub(super) fn run<F: Future<Output = Outcome>>(
    args: Args,
    name: &'static str,
    service: impl FnOnce(Frame) -> F,
) -> Outcome {
    let config = Source::read(file_or_default(args.config).as_deref())?.check()?;
    logging::install(&config.log);
    let data = prepare(&args.data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(Failure::other)?;
    runtime.block_on(async move {
        let stop = Stop::listen().map_err(Failure::other)?;
        let listener = bind(&format!("services.{name}.address"), args.listen)?;
        listener.set_nonblocking(true).map_err(Failure::other)?;
        let listener = TcpListener::from_std(listener).map_err(Failure::other)?;
        let hub = mamparo_hub::Client::connect(&format!("http://{}", args.hub)).map_err(Failure::other)?;
        let exporter = otlp::start(&config.telemetry, name);
        let frame = Frame { name, data, listener, queue: Arc::new(hub), mesh: args.mesh, config, stop };
        let outcome = service(frame).await;
        exporter.close().await;
        outcome
    })
}

/// The service that owns catalogue, prices and orders.
pub(super) async fn orders(frame: Frame) -> Outcome {
    use mamparo_shop_orders::{Options, RunError, Service};
    let Frame { name, data, listener, queue, mut stop, .. } = frame;
    let service = Service::open(Options::new(&data, listener, queue)).await.map_err(|error| match error {
        RunError::Open(error) => error.into(),
        other => broken(name, other),
    })?;
    let sagas = Orchestrated::new(service.ledger().clone(), service.sagas().clone());
    let watched = Watched {
        ledger: service.ledger().clone(),
        relay: Some(service.relay()),
        consumer: Some(service.consumer()),
        projections: service.projections(),
        sagas: Some(service.sagas().clone()),
        stacks: Vec::new(),
        caches: Some(Box::new(service.caches())),
    };
    let _admin = serve(face(name, watched).sagas(Arc::new(sagas)), &data)?;
    service.run(stopped(&mut stop)).await;
    Ok(())
}

/// The service that owns wallets and payments.
pub(super) async fn payments(frame: Frame) -> Outcome {
    use mamparo_shop_payments::{Options, RunError, Service, no_policies, policies};
    let Frame { name, data, listener, queue, mesh, config, mut stop } = frame;
    let provider = Client::by_name(&mesh, "provider.mamparo").map_err(|error| broken(name, error))?;
    let policies = if config.shop.card_policies { policies() } else { no_policies() };
    let options = Options { data: data.clone(), listener, queue, provider, policies };
    let service = Service::open(options).await.map_err(|error| match error {
        RunError::Open(error) => error.into(),
        other => broken(name, other),
    })?;
    let watched = Watched {
        relay: Some(service.relay()),
        consumer: Some(service.consumer()),
        projections: service.projections(),
        stacks: vec![Arc::clone(service.stack())],
        ..Watched::only(service.ledger().clone())
    };
    let _admin = serve(face(name, watched), &data)?;
    service.run(stopped(&mut stop)).await;
    Ok(())
}

/// The service that owns the stock.
pub(super) async fn inventory(frame: Frame) -> Outcome {
    use mamparo_shop_inventory::{Options, RunError, Service};
    let Frame { name, data, listener, queue, mut stop, .. } = frame;
    let options = Options { data: data.clone(), listener, queue };
    let service = Service::open(options).await.map_err(|error| match error {
        RunError::Open(error) => error.into(),
        other => broken(name, other),
    })?;
    let watched = Watched {
        relay: Some(service.relay()),
        consumer: Some(service.consumer()),
        ..Watched::only(service.ledger().clone())
    };
    let _admin = serve(face(name, watched), &data)?;
    service.run(stopped(&mut stop)).await;
    Ok(())
}

/// The simulated card provider.
pub(super) async fn provider(frame: Frame) -> Outcome {
    let Frame { name, data, listener, config, mut stop, .. } = frame;
    let configured = &config.shop.card_provider;
    let behaviour = Behaviour {
        latency_ms: u64::try_from(configured.latency.as_millis()).unwrap_or(u64::MAX),
        error_percent: configured.error_percent,
        timeout_percent: configured.timeout_percent,
        down: false,
    };
    let behaviour =
        behaviour.check().map_err(|error| Failure::config_unusable(error, "correct `shop.card_provider`"))?;
    let random = Random::seeded(configured.seed);
    let options = provider::Options { data: data.clone(), listener, behaviour, random };
    let service = provider::Service::open(options).await?;
    let _admin = serve(face(name, Watched::only(service.ledger().clone())), &data)?;
    service.run(stopped(&mut stop)).await;
    Ok(())
}

fn face(name: &str, watched: Watched) -> Face {
    let (face, relay) = (Face::new(name, watched.ledger.clone()), watched.relay.clone());
    let face = face.metrics(text_of(watched));
    match relay {
        Some(relay) => face.relay(move || status(&relay.borrow())),
        None => face,
    }
}

fn status(status: &Status) -> Value {
    let mut json = json!(status);
    json["oldest"] = status.oldest.map(|oldest| oldest.to_string()).into();
    json
}

fn serve(face: Face, data: &std::path::Path) -> Result<Server, Failure> {
    mamparo_admin::serve(face, &data.join(mamparo_admin::limits::SOCKET_NAME)).map_err(Failure::other)
}

async fn stopped(stop: &mut Stop) {
    let reason = stop.requested().await;
    tracing::info!(reason, "stopping");
}

fn broken(name: &str, error: impl Display) -> Failure {
    Failure::other(format!("{name}: {error}"))
}
