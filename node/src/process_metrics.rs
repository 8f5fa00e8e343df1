//! What every process with a ledger counts of itself, for its admin socket.

use std::sync::{Mutex, PoisonError};

use mamparo_ledger::Ledger;
use mamparo_relay::Status;
use mamparo_telemetry::{Registry, metrics as names};
use tokio::sync::watch;

/// The text of the metrics of this process, of its ledger, and of its relay if it has one, in the OpenMetrics
/// format, each time as they stand then.
pub(crate) fn text_of(
    ledger: Ledger,
    relay: Option<watch::Receiver<Status>>,
) -> impl Fn() -> String + Send + Sync + 'static {
    let mut registry = Registry::default();
    let resident = names::PROCESS_RESIDENT.register(&mut registry);
    let position = names::LEDGER_POSITION.register(&mut registry);
    let outbox = names::LEDGER_OUTBOX.register(&mut registry);
    let lag = relay.as_ref().map(|_| names::OUTBOX_LAG.register(&mut registry));
    // One reader at a time, so that each text is of one moment.
    let registry = Mutex::new(registry);
    move || {
        let registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
        let head = *ledger.head().borrow();
        resident.set(resident_bytes());
        position.set(number(head.position));
        outbox.set(number(head.outbox));
        if let (Some(lag), Some(relay)) = (&lag, &relay) {
            lag.set(number(relay.borrow().lag()));
        }
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        text
    }
}

pub(crate) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Memory of this process that is in use; 0 where the system does not tell.
pub(crate) fn resident_bytes() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<i64>().ok());
    kibibytes.unwrap_or(0).saturating_mul(1024)
}
