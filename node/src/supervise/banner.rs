//! What a person reads once everything runs: where it is, and what to try next.

use std::fmt::Write;
use std::time::Duration;

use mamparo_config::{Config, Role};

use super::addresses::Addresses;
use super::folder::Folder;

/// The text that says that everything is ready.
pub(crate) fn text(config: &Config, folder: &Folder, addresses: &Addresses, took: Duration) -> String {
    let mut text =
        format!("mamparo is ready after {} ms, data in {}\n", took.as_millis(), folder.data.display());
    let listeners = &config.listeners;
    if config.roles.contains(&Role::Gateway) {
        let _ = writeln!(text, "  gateway   http://{}", listeners.gateway);
        let _ = writeln!(text, "  mesh      http://{} (host <service>.mamparo)", listeners.mesh);
    }
    if config.roles.contains(&Role::Hub) {
        let _ = writeln!(text, "  hub       {}", listeners.hub);
    }
    let _ = writeln!(text, "  admin     http://{}/ (healthz, readyz, metrics, config)", listeners.admin);
    for (name, address) in addresses {
        let _ = writeln!(text, "  service   {name} at {address}");
    }
    text.push_str("\ntry next:\n");
    if is_shop(config) {
        let gateway = listeners.gateway;
        let _ = write!(
            text,
            "  curl -i -X POST http://{gateway}/orders -H 'content-type: application/json' -H 'idempotency-key: k-1' \\\n       \
             -d '{{\"customer\":\"ana\",\"lines\":[{{\"sku\":\"mate\",\"quantity\":2}},{{\"sku\":\"yerba-1kg\",\"quantity\":1}}]}}'\n  \
             curl 'http://{gateway}/orders/<id>?wait=5s'\n"
        );
    }
    let _ = writeln!(text, "  curl http://{}/readyz", listeners.admin);
    let program = program();
    let _ = writeln!(text, "  {program} saga list\n  {program} queue list");
    if is_shop(config) {
        let _ = writeln!(text, "  {program} shop drive --orders 2000 --concurrency 64");
    }
    text.push_str("ctrl-c stops everything; what was acknowledged stays\n\n");
    text
}

/// This program as it was called, so that what is shown works when it is copied.
fn program() -> String {
    std::env::args().next().filter(|name| !name.is_empty()).unwrap_or_else(|| "mamparo".into())
}

fn is_shop(config: &Config) -> bool {
    let orders = config.applications.get("orders");
    orders.is_some_and(|orders| orders.command.iter().map(String::as_str).eq(["mamparo", "shop", "orders"]))
}
