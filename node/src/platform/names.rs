//! Services that are found under a name: the name is looked up again and again, and all addresses that it has are
//! endpoints. A name that cannot be looked up leaves them as they were.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use mamparo_balance::Endpoint;
use mamparo_balance::limits::ENDPOINTS_MAX;
use mamparo_config::ServicePlace;
use mamparo_context::Clock;
use mamparo_proxy::Steering;
use tokio::net::lookup_host;
use tokio::sync::watch::Receiver;
use tokio::time::{sleep, timeout};

use super::kept::Found;
use super::reload::Standing;

/// Longest pause between two looks at what is configured.
const LOOK: Duration = Duration::from_secs(1);
/// Longest that a name may take to be looked up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks names up as long as the process lives.
pub(crate) async fn follow(steering: Steering, found: Found, standing: Receiver<Arc<Standing>>) {
    let clock = Clock::system();
    let mut due: HashMap<String, Instant> = HashMap::new();
    loop {
        let config = Arc::clone(&standing.borrow());
        let mut pause = LOOK;
        for (service, one) in &config.config.services {
            let ServicePlace::Dns { name, every } = &one.place else { continue };
            let now = clock.now();
            if due.get(service).is_none_or(|due| *due <= now) {
                look_up(&steering, &found, service, name).await;
                due.insert(service.clone(), clock.now() + *every);
            }
            pause = pause.min(*every);
        }
        due.retain(|service, _| config.config.services.contains_key(service));
        sleep(pause).await;
    }
}

async fn look_up(steering: &Steering, found: &Found, service: &str, name: &str) {
    let addresses = match timeout(PATIENCE, lookup_host(name)).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => return tracing::warn!(service, name, %error, "a name cannot be looked up"),
        Err(_) => return tracing::warn!(service, name, "looking a name up takes too long"),
    };
    let mut addresses: Vec<_> = addresses.collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(ENDPOINTS_MAX);
    let endpoints: Vec<_> = addresses.iter().copied().map(Endpoint::new).collect();
    let mut all = found.lock().unwrap_or_else(PoisonError::into_inner);
    if all.get(name) == Some(&endpoints) || endpoints.is_empty() {
        return;
    }
    all.insert(name.to_owned(), endpoints.clone());
    drop(all);
    match steering.set_endpoints(service, &endpoints) {
        Ok(_) => tracing::info!(service, name, ?addresses, "a name has other addresses"),
        Err(error) => tracing::warn!(service, name, %error, "the addresses of a name cannot be used"),
    }
}
