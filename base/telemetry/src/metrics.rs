//! The metrics that a node exports of itself and of the ledgers and brokers it keeps. Those of the data plane are
//! `mamparo_proxy_*`; the proxy names them itself, for it is used alone, too.

use crate::{CounterName, GaugeName};

/// Requests of the admin face.
pub const ADMIN_REQUESTS: CounterName =
    CounterName { name: "mamparo_admin_requests", help: "Requests answered by the admin face" };
/// Memory of the process that is in use.
pub const PROCESS_RESIDENT: GaugeName =
    GaugeName { name: "mamparo_process_resident_bytes", help: "Memory of the process that is in use" };
/// Position of the last event of the ledger.
pub const LEDGER_POSITION: GaugeName =
    GaugeName { name: "mamparo_ledger_position", help: "Position of the last event that is on disk" };
/// Id of the last outbox row of the ledger.
pub const LEDGER_OUTBOX: GaugeName =
    GaugeName { name: "mamparo_ledger_outbox", help: "Id of the last outbox row that is on disk" };
/// Outbox rows that no broker accepted yet.
pub const OUTBOX_LAG: GaugeName =
    GaugeName { name: "mamparo_outbox_lag", help: "Outbox rows that no broker has accepted yet" };
/// Messages that could be leased now.
pub const QUEUE_READY: GaugeName =
    GaugeName { name: "mamparo_queue_ready", help: "Messages that could be leased now" };
/// Dead letters.
pub const QUEUE_DEAD: GaugeName =
    GaugeName { name: "mamparo_queue_dead", help: "Messages that were given up and wait for a person" };

/// Every counter.
pub const COUNTERS: &[CounterName] = &[ADMIN_REQUESTS];
/// Every gauge.
pub const GAUGES: &[GaugeName] =
    &[PROCESS_RESIDENT, LEDGER_POSITION, LEDGER_OUTBOX, OUTBOX_LAG, QUEUE_READY, QUEUE_DEAD];

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::Registry;

    #[test]
    fn every_name_is_exported_once_under_one_prefix() {
        let mut registry = Registry::default();
        COUNTERS.iter().for_each(|name| _ = name.register(&mut registry));
        GAUGES.iter().for_each(|name| _ = name.register(&mut registry));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let mut names: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(count, names.len());
        assert_eq!(count, COUNTERS.len() + GAUGES.len());
        assert!(names.iter().all(|name| name.starts_with("mamparo_")), "{names:?}");
        assert!(text.contains("mamparo_admin_requests_total 0"), "{text}");
    }
}
