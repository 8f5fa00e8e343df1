//! A shop on ports that the system chose, and a gateway just good enough for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::Method;
use mamparo_broker::Queue;
use mamparo_context::{Context, Random};
use mamparo_hub::{Hub, QueueOptions, TopicOptions};
use mamparo_ledger::Ledger;
use mamparo_shop_drive::shop::Shop;
use mamparo_shop_http::{Answer, Client, Problem};
use mamparo_shop_payments::provider::{self, Behaviour};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Longer than anything in these tests takes.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A running shop. Its files go with it.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    /// Where the gateway is.
    pub(crate) base: String,
    pub(crate) shop: Shop,
    pub(crate) client: Client,
    pub(crate) provider: Client,
    pub(crate) provider_base: String,
    hub: Ledger,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    (listener, base)
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(tempfile::tempdir().unwrap(), Duration::from_secs(30)).await
    }

    /// Starts on a folder that may have been used before.
    pub(crate) async fn with(folder: TempDir, deadline: Duration) -> Self {
        let (stop, stopped) = watch::channel(false);
        let stopped = move || {
            let mut stopped = stopped.clone();
            async move { _ = stopped.wait_for(|stopped| *stopped).await }
        };
        let data = |name: &str| folder.path().join(name);
        let (hub, queue) = hub(&data("hub")).await;
        let mut tasks = JoinSet::new();

        let (listener_of_provider, provider_base) = listener().await;
        let (data_of_provider, until) = (data("provider"), stopped());
        let (behaviour, random) = (Behaviour::default(), Random::seeded(1));
        let options =
            provider::Options { data: data_of_provider, listener: listener_of_provider, behaviour, random };
        let service = provider::Service::open(options).await.unwrap();
        tasks.spawn(async move { service.run(until).await });

        let (own, payments) = listener().await;
        let provider = Client::new(&provider_base).unwrap();
        let options = mamparo_shop_payments::Options {
            data: data("payments"),
            listener: own,
            queue: Arc::clone(&queue),
            provider: provider.clone(),
            policies: mamparo_shop_payments::policies(),
        };
        let service = mamparo_shop_payments::Service::open(options).await.unwrap();
        let until = stopped();
        tasks.spawn(async move { service.run(until).await });

        let (own, inventory) = listener().await;
        let options = mamparo_shop_inventory::Options {
            data: data("inventory"),
            listener: own,
            queue: Arc::clone(&queue),
        };
        let service = mamparo_shop_inventory::Service::open(options).await.unwrap();
        let until = stopped();
        tasks.spawn(async move { service.run(until).await });

        let (own, orders) = listener().await;
        let mut options = mamparo_shop_orders::Options::new(data("orders"), own, queue);
        options.deadline = deadline;
        let service = mamparo_shop_orders::Service::open(options).await.unwrap();
        let until = stopped();
        tasks.spawn(async move { service.run(until).await });

        let (own, base) = listener().await;
        let services = [orders, payments, inventory].map(|base| Client::new(&base).unwrap());
        let router = Router::new().fallback(forward).with_state(services);
        tasks.spawn(mamparo_shop_http::serve(own, router, stopped()));

        let (shop, client) = (Shop::new(&base).unwrap(), Client::new(&base).unwrap());
        Self { folder, base, shop, client, provider, provider_base, hub, stop, tasks }
    }

    /// Stops everything; answers with the folder, to start on it again.
    pub(crate) async fn stop(mut self) -> TempDir {
        self.stop.send_replace(true);
        while let Some(done) = self.tasks.join_next().await {
            done.unwrap();
        }
        // Whoever asked it last may hold the hub for a moment yet.
        self.hub.close().await;
        self.folder
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, key: Option<&str>, body: &str) -> Answer {
        let cx = match key {
            Some(key) => Context::root().with_idempotency_key(key.parse().unwrap()),
            None => Context::root(),
        };
        let body = has_body(&method).then(|| body.to_owned().into());
        self.client.call(&cx, method, path, body, LONG).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, Some(key), &body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.ask(Method::GET, path, None, "").await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.json().unwrap()
    }

    /// Places an order and waits until it is final.
    pub(crate) async fn order(&self, key: &str, customer: &str, sku: &str, quantity: i64) -> Value {
        let body = json!({"customer": customer, "lines": [{"sku": sku, "quantity": quantity}]});
        let answer = self.post("/orders", key, &body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let location = answer.headers["location"].to_str().unwrap().to_owned();
        self.finished(&location).await
    }

    pub(crate) async fn finished(&self, location: &str) -> Value {
        for _ in 0..10 {
            let order = self.get(&format!("{location}?wait=10s")).await;
            if order["status"] != "PENDING" {
                return order;
            }
        }
        panic!("{location} is not final");
    }

    pub(crate) async fn behave(&self, behaviour: Value) {
        let body = Some(behaviour.to_string().into());
        let answer = self.provider.call(&Context::root(), Method::POST, "/behaviour", body, LONG).await;
        assert_eq!(answer.unwrap().status, 200);
    }
}

fn has_body(method: &Method) -> bool {
    [Method::POST, Method::PUT].contains(method)
}

async fn hub(data: &Path) -> (Ledger, Arc<dyn Queue>) {
    let ledger = mamparo_ledger_sqlite::Options::new(data.join("hub.db")).open().unwrap();
    let topics = ["orders.replies", "payments.commands", "inventory.commands"]
        .map(|name| TopicOptions::queue(name, QueueOptions::default()));
    (ledger.clone(), Arc::new(Hub::open(ledger, topics.into()).await.unwrap()))
}

async fn forward(State([orders, payments, inventory]): State<[Client; 3]>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let to = match parts.uri.path().split('/').nth(1) {
        Some("wallets") => payments,
        Some("stock") => inventory,
        _ => orders,
    };
    let cx = match mamparo_shop_http::context(&parts.headers) {
        Ok(cx) => cx,
        Err(problem) => return problem.into_response(),
    };
    let body = to_bytes(body, 32 * 1024 * 1024).await.unwrap();
    let body = has_body(&parts.method).then_some(body);
    match to.call(&cx, parts.method, path, body, LONG).await {
        Ok(Answer { status, headers, body }) => (status, headers, body).into_response(),
        Err(error) => Problem::unavailable("away", error.to_string(), Duration::from_secs(1)).into_response(),
    }
}
