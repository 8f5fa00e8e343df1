//! What a running node shows and lets be done: the same for the admin port, which only shows, and for the admin socket,
//! which only the owner of the data folder can open.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{Method, StatusCode};
use mamparo_admin::limits::SOCKET_NAME;
use mamparo_admin::{AdminError, Answer, Answers, Client, Found, Target};
use mamparo_config::Config;
use mamparo_proxy::View;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use super::asks::Ask;
use super::caches;
use super::metrics::Metrics;
use super::reload::Standing;
use super::upgrade::State;
use crate::logging;

/// What is shown.
pub(crate) enum Shown {
    Text(StatusCode, String),
    Metrics(String),
    Json(Value),
}

/// What can be seen.
pub(crate) const PATHS: &str = "/healthz\n/readyz\n/metrics\n/metrics/<application>\n/config\n/config/problems\n/routes\n\
                                /upstreams\n/cache\n/connections\n/upgrade\n";

/// What a running node shows and lets be done. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Face {
    /// The sockets of the other processes of this data folder, by name.
    pub(crate) others: Arc<BTreeMap<String, PathBuf>>,
    pub(crate) standing: watch::Receiver<Arc<Standing>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) proxy: Option<View>,
    pub(crate) upgrade: watch::Receiver<State>,
    pub(crate) asks: mpsc::Sender<Ask>,
}

/// The sockets of the applications of `config` below the data folder `data`.
pub(crate) fn others(config: &Config, data: &Path) -> Arc<BTreeMap<String, PathBuf>> {
    let names = config.applications.keys();
    Arc::new(names.map(|name| (name.clone(), data.join(name).join(SOCKET_NAME))).collect())
}

impl Face {
    /// What lies at the path with these segments; `None` when nothing does.
    pub(crate) async fn show(&self, segments: &[&str]) -> Option<Shown> {
        let ready = self.ready.load(Ordering::Relaxed);
        Some(match segments {
            ["healthz"] => Shown::Text(StatusCode::OK, "ok\n".into()),
            ["readyz"] if ready => Shown::Text(StatusCode::OK, "ready\n".into()),
            ["readyz"] => Shown::Text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".into()),
            ["metrics"] => Shown::Metrics(self.metrics.text().await),
            ["metrics", name] => self.metrics_of(name).await,
            ["config"] => Shown::Json(json!(self.standing().config)),
            ["config", "problems"] => Shown::Json(self.standing().report()),
            ["routes"] => Shown::Json(routes(&self.standing())),
            ["upstreams"] => Shown::Json(self.proxy.as_ref().map_or(json!([]), upstreams)),
            ["cache"] => Shown::Json(caches::described(self.proxy.as_ref())),
            ["connections"] => Shown::Json(connections(self.proxy.as_ref())),
            ["upgrade"] => Shown::Json(self.upgrade.borrow().report()),
            _ => return None,
        })
    }

    fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.borrow())
    }

    /// The metrics of another process of this data folder.
    async fn metrics_of(&self, name: &str) -> Shown {
        let Some(socket) = self.others.get(name) else {
            let known: Vec<&str> = self.others.keys().map(String::as_str).collect();
            let help = format!("there is no application {name}; there are: {}\n", known.join(", "));
            return Shown::Text(StatusCode::NOT_FOUND, help);
        };
        let found = Found { service: name.to_owned(), socket: socket.clone() };
        match Client::new(found).get("/metrics").await {
            Ok(Value::String(metrics)) => Shown::Metrics(metrics),
            Ok(_) => Shown::Text(StatusCode::BAD_GATEWAY, format!("{name} answered with something else\n")),
            Err(error) => Shown::Text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        }
    }

    async fn ask(&self, ask: Ask) -> Result<(), AdminError> {
        let gone = |_| AdminError::Refused("this process is about to end".into());
        self.asks.send(ask).await.map_err(gone)
    }

    async fn reload(&self) -> Result<Value, AdminError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Reload { why: "asked on the admin socket", answer: Some(answer) }).await?;
        let standing =
            answered.await.map_err(|_| AdminError::Refused("this process is about to end".into()))?;
        Ok(standing.report())
    }

    async fn upgrade(&self, body: &Value) -> Result<Value, AdminError> {
        let program = body["program"].as_str().map(PathBuf::from);
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Upgrade { program, answer: Some(answer) }).await?;
        let begun = answered.await.map_err(|_| AdminError::Refused("this process is about to end".into()))?;
        begun.map_err(AdminError::Refused)?;
        Ok(self.upgrade.borrow().report())
    }

    fn about(&self) -> Value {
        let gateway = self.proxy.as_ref().map(|_| "gateway");
        let parts: Vec<&str> = ["node", "config", "metrics"].into_iter().chain(gateway).collect();
        json!({
            "service": "node",
            "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
            "parts": parts,
        })
    }
}

impl Answers for Face {
    async fn answer(&self, method: Method, target: Target, body: Bytes) -> Result<Answer, AdminError> {
        let segments: Vec<&str> = target.segments.iter().map(String::as_str).collect();
        let body = match body.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&body)
                .map_err(|error| AdminError::Invalid(format!("body: {error}")))?,
        };
        let not_found = || AdminError::NotFound(format!("{method} /{}", segments.join("/")));
        let json = match (method.as_str(), segments.as_slice()) {
            ("GET", []) => self.about(),
            ("POST", ["reload"]) => self.reload().await?,
            ("POST", ["drain"]) => {
                self.ask(Ask::Drain).await?;
                json!({ "draining": true })
            }
            ("POST", ["cache", "purge"]) => caches::purge(self.proxy.as_ref(), body)?,
            ("POST", ["upgrade"]) => self.upgrade(&body).await?,
            ("PUT", ["log-level"]) => {
                let level = body["level"].as_str();
                let level =
                    level.ok_or_else(|| AdminError::Invalid("body: {\"level\": \"debug\"}".into()))?;
                logging::set(level).map_err(AdminError::Invalid)?;
                tracing::info!(level, "the level of the log was set on the admin socket");
                json!({ "level": level })
            }
            ("GET", segments) => match self.show(segments).await.ok_or_else(not_found)? {
                Shown::Json(json) => json,
                Shown::Metrics(text) => return Ok(Answer::Text(text)),
                Shown::Text(status, text) if status.is_success() => return Ok(Answer::Text(text)),
                Shown::Text(StatusCode::NOT_FOUND, text) => return Err(AdminError::NotFound(text)),
                Shown::Text(_, text) => return Err(AdminError::Unavailable(text.trim_end().to_owned())),
            },
            _ => return Err(not_found()),
        };
        Ok(Answer::Json(json))
    }
}

/// The routes in force, each with the name by which logs and metrics call it.
fn routes(standing: &Standing) -> Value {
    json!({ "generation": standing.generation, "routes": standing.config.gateway.routes })
}

fn upstreams(proxy: &View) -> Value {
    let upstreams = proxy.upstreams().into_iter().map(|upstream| {
        json!({
            "name": upstream.name,
            "balance": upstream.balance,
            "connects": upstream.connects,
            "connect_failures": upstream.connect_failures,
            "reuses": upstream.reuses,
            "retries": upstream.retries,
        })
    });
    upstreams.collect::<Vec<_>>().into()
}

fn connections(proxy: Option<&View>) -> Value {
    let workers = proxy.map(View::connections).unwrap_or_default();
    json!({ "total": workers.iter().sum::<usize>(), "workers": workers })
}
