//! What of a configuration cannot change while the process runs: sockets that are bound, threads that run, data that
//! is open, processes that were started.

use mamparo_config::{Config, Gateway, LogOptions};

use crate::supervise::Addresses;

/// Most keys that are named.
const KEYS_MAX: usize = 100;

/// The configuration that is in force when `next` is to be: what cannot change stays as it is in `running`.
pub(crate) fn keep(next: Config, running: &Config) -> Config {
    Config {
        data: running.data.clone(),
        roles: running.roles.clone(),
        listeners: running.listeners,
        log: LogOptions { format: running.log.format, ..next.log },
        telemetry: running.telemetry.clone(),
        gateway: Gateway {
            workers: running.gateway.workers,
            limits: running.gateway.limits.clone(),
            access_log: running.gateway.access_log.clone(),
            ..next.gateway
        },
        services: next.services,
        topics: running.topics.clone(),
        applications: running.applications.clone(),
        shop: running.shop.clone(),
    }
}

/// The keys under which `next` says something else than `started` did, and which wait for a restart; in the order of
/// the manual, at most [`KEYS_MAX`].
pub(crate) fn changed(next: &Config, started: &Config, addresses: &Addresses) -> Vec<String> {
    let keys = [
        ("data", next.data != started.data),
        ("roles", next.roles != started.roles),
        ("listeners", next.listeners != started.listeners),
        ("log.format", next.log.format != started.log.format),
        ("telemetry", next.telemetry != started.telemetry),
        ("gateway.workers", next.gateway.workers != started.gateway.workers),
        ("gateway.access_log", next.gateway.access_log != started.gateway.access_log),
        ("gateway.limits", next.gateway.limits != started.gateway.limits),
        ("topics", next.topics != started.topics),
        ("applications", next.applications != started.applications),
        ("shop", next.shop != started.shop),
    ];
    let keys = keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned());
    // A port is picked when an application is started.
    let portless = next.services.iter().filter(|(name, service)| {
        service.is_given() && !addresses.contains_key(*name) && !started.services.contains_key(*name)
    });
    keys.chain(portless.map(|(name, _)| format!("services.{name}"))).take(KEYS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        mamparo_config::check(&format!("version: 1\n{text}"), "f").unwrap()
    }

    #[test]
    fn what_cannot_change_stays_and_is_named() {
        let started = config("services: {a: {}}\napplications: {a: {command: [a], service: a}}\n");
        let next = config(
            "listeners: {admin: '127.0.0.1:9'}\ngateway: {workers: 3, drain: 1s, limits: {body: 1KiB}}\n\
             log: {level: debug, format: json}\nservices: {a: {}, b: {}, c: {address: '127.0.0.1:7'}}\n\
             applications: {a: {command: [a], service: a}, b: {command: [b], service: b}}\n",
        );
        let kept = keep(next.clone(), &started);
        assert_eq!((kept.listeners, kept.gateway.workers), (started.listeners, None));
        assert_eq!(kept.gateway.limits, started.gateway.limits);
        assert_eq!((kept.gateway.drain.as_secs(), kept.log.level.as_str()), (1, "debug"));
        assert_eq!((kept.log.format, kept.services.len()), (started.log.format, 3));
        let named =
            ["listeners", "log.format", "gateway.workers", "gateway.limits", "applications", "services.b"];
        assert_eq!(changed(&next, &started, &Addresses::new()), named);
        assert!(changed(&started, &started, &Addresses::new()).is_empty());
    }
}
