//! How a ledger stands.

use mamparo_ledger::Ledger;
use mamparo_telemetry::{Counter, Gauge, Registry, metrics as names};

use super::{number, stands_at};

/// The metrics of one ledger.
pub(crate) struct LedgerMetrics {
    ledger: Ledger,
    position: Gauge,
    outbox: Gauge,
    waiting: Gauge,
    log_bytes: Gauge,
    units: Counter,
    groups: Counter,
}

impl LedgerMetrics {
    pub(crate) fn register(ledger: Ledger, registry: &mut Registry) -> Self {
        Self {
            ledger,
            position: names::LEDGER_POSITION.register(registry),
            outbox: names::LEDGER_OUTBOX.register(registry),
            waiting: names::LEDGER_WAITING.register(registry),
            log_bytes: names::LEDGER_LOG_BYTES.register(registry),
            units: names::LEDGER_UNITS.register(registry),
            groups: names::LEDGER_GROUPS.register(registry),
        }
    }

    pub(crate) fn refresh(&self) {
        let head = *self.ledger.head().borrow();
        let stats = self.ledger.stats();
        self.position.set(number(head.position));
        self.outbox.set(number(head.outbox));
        self.waiting.set(number(stats.waiting));
        self.log_bytes.set(number(stats.log_bytes));
        stands_at(&self.units, stats.units);
        stands_at(&self.groups, stats.groups);
    }
}
