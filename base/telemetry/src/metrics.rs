//! The metrics that a node exports of itself and of the ledgers and brokers it keeps. Those of the data plane are
//! `mamparo_proxy_*`; the proxy names them itself, for it is used alone, too.

use crate::{CounterName, GaugeName};

/// Requests of the admin face.
pub const ADMIN_REQUESTS: CounterName =
    CounterName { name: "mamparo_admin_requests", help: "Requests answered by the admin face" };
/// Which version of the configuration is in force.
pub const CONFIG_GENERATION: GaugeName = GaugeName {
    name: "mamparo_config_generation",
    help: "Versions of the configuration that came in force since the start, the first one included",
};
/// What was refused of the configuration.
pub const CONFIG_REFUSED: GaugeName = GaugeName {
    name: "mamparo_config_refused",
    help: "Parts of the configuration that were refused when it was last read",
};
/// What waits for a restart.
pub const CONFIG_NEEDS_RESTART: GaugeName = GaugeName {
    name: "mamparo_config_needs_restart",
    help: "Keys of the configuration whose change takes effect when the process is started again",
};
/// When the configuration was last read.
pub const CONFIG_LAST_RELOAD: GaugeName = GaugeName {
    name: "mamparo_config_last_reload_timestamp_seconds",
    help: "When another version of the configuration was last read",
};
/// Whether all of it came in force.
pub const CONFIG_LAST_RELOAD_SUCCESSFUL: GaugeName = GaugeName {
    name: "mamparo_config_last_reload_successful",
    help: "1 when all of the version that was last read came in force",
};
/// Other versions of the configuration by what became of them: whole, partly, refused.
pub const CONFIG_RELOADS: CounterName = CounterName {
    name: "mamparo_config_reloads",
    help: "Other versions of the configuration that were read, by outcome: whole, partly, refused",
};
/// Memory of the process that is in use.
pub const PROCESS_RESIDENT: GaugeName =
    GaugeName { name: "mamparo_process_resident_bytes", help: "Memory of the process that is in use" };
/// Position of the last event of the ledger.
pub const LEDGER_POSITION: GaugeName =
    GaugeName { name: "mamparo_ledger_position", help: "Position of the last event that is on disk" };
/// Id of the last outbox row of the ledger.
pub const LEDGER_OUTBOX: GaugeName =
    GaugeName { name: "mamparo_ledger_outbox", help: "Id of the last outbox row that is on disk" };
/// Units of work that wait for the writer of the ledger.
pub const LEDGER_WAITING: GaugeName =
    GaugeName { name: "mamparo_ledger_waiting", help: "Units of work that wait for the writer" };
/// Units of work that the ledger has answered.
pub const LEDGER_UNITS: CounterName =
    CounterName { name: "mamparo_ledger_units", help: "Units of work that were answered, refusals included" };
/// Groups of units that the ledger has committed.
pub const LEDGER_GROUPS: CounterName = CounterName {
    name: "mamparo_ledger_groups",
    help: "Groups of units that were committed, each with one sync",
};
/// Size of the write-ahead log of the ledger.
pub const LEDGER_LOG_BYTES: GaugeName =
    GaugeName { name: "mamparo_ledger_log_bytes", help: "Size of the write-ahead log" };
/// Outbox rows that no broker accepted yet.
pub const OUTBOX_LAG: GaugeName =
    GaugeName { name: "mamparo_outbox_lag", help: "Outbox rows that no broker has accepted yet" };
/// Age of the oldest outbox row that no broker accepted yet.
pub const OUTBOX_OLDEST: GaugeName = GaugeName {
    name: "mamparo_outbox_oldest_seconds",
    help: "Age of the oldest row that no broker has accepted yet, as far as rows were read",
};
/// Outbox rows that wait for a person.
pub const OUTBOX_PARKED: GaugeName = GaugeName {
    name: "mamparo_outbox_parked",
    help: "Rows that the broker refused and that wait for a person",
};
/// Outbox rows that the broker accepted.
pub const OUTBOX_SENT: CounterName =
    CounterName { name: "mamparo_outbox_sent", help: "Rows that the broker has accepted" };
/// Batches of outbox rows that the broker refused or did not answer.
pub const OUTBOX_FAILURES: CounterName = CounterName {
    name: "mamparo_outbox_failures",
    help: "Batches that the broker refused or did not answer",
};
/// Messages by what became of them: handled, repeated, retried, dead, paused.
pub const CONSUMER_MESSAGES: CounterName = CounterName {
    name: "mamparo_consumer_messages",
    help: "Attempts at messages by outcome: handled, repeated, retried, dead, paused",
};
/// Handlers that run now.
pub const CONSUMER_RUNNING: GaugeName =
    GaugeName { name: "mamparo_consumer_running", help: "Handlers that run now" };
/// Events that a read model does not show yet.
pub const PROJECTION_LAG: GaugeName =
    GaugeName { name: "mamparo_projection_lag", help: "Events that the read model does not show yet" };
/// Streams that a read model leaves out.
pub const PROJECTION_PARKED: GaugeName = GaugeName {
    name: "mamparo_projection_parked",
    help: "Streams left out after an event that could not be applied",
};
/// Sagas that are not finished, by status.
pub const SAGAS: GaugeName = GaugeName {
    name: "mamparo_sagas",
    help: "Sagas that are not finished, by status: running, compensating, parked",
};
/// Spans that were taken for export.
pub const SPANS_TAKEN: CounterName =
    CounterName { name: "mamparo_spans_taken", help: "Spans that were taken for export" };
/// Spans that found no room.
pub const SPANS_DROPPED: CounterName = CounterName {
    name: "mamparo_spans_dropped",
    help: "Spans that found no room while the collector did not answer",
};
/// Messages that could be leased now.
pub const QUEUE_READY: GaugeName =
    GaugeName { name: "mamparo_queue_ready", help: "Messages that could be leased now" };
/// Messages that wait for their moment.
pub const QUEUE_DELAYED: GaugeName =
    GaugeName { name: "mamparo_queue_delayed", help: "Messages that wait for their moment" };
/// Messages under a live lease.
pub const QUEUE_LEASED: GaugeName =
    GaugeName { name: "mamparo_queue_leased", help: "Messages under a live lease" };
/// Dead letters.
pub const QUEUE_DEAD: GaugeName =
    GaugeName { name: "mamparo_queue_dead", help: "Messages that were given up and wait for a person" };

/// Calls that began through the policies of a target.
pub const POLICY_CALLS: CounterName =
    CounterName { name: "mamparo_policy_calls", help: "Calls that began, by target" };
/// What each policy said to attempts.
pub const POLICY_VERDICTS: CounterName = CounterName {
    name: "mamparo_policy_verdicts",
    help: "What a policy said to attempts: admitted, waited, refused, shadow_waited, shadow_refused, cancelled",
};
/// What rate limits said that keep count of each client.
pub const KEYED_VERDICTS: CounterName = CounterName {
    name: "mamparo_keyed_rate_limit_verdicts",
    help: "What a rate limit of each client said, by target and by how clients are told apart",
};
/// Times that were over.
pub const POLICY_TIMEOUTS: CounterName =
    CounterName { name: "mamparo_policy_timeouts", help: "Times that were over, of an attempt or of a call" };
/// Attempts beyond the first.
pub const POLICY_REPEATS: CounterName = CounterName {
    name: "mamparo_policy_repeats",
    help: "Attempts beyond the first: retry, hedge, or what would have been made in shadow",
};
/// Calls that were not made again although that might have helped.
pub const RETRY_GIVEN_UP: CounterName = CounterName {
    name: "mamparo_retry_given_up",
    help: "Calls not made again although that might have helped, by reason",
};
/// What is left for making calls again.
pub const RETRY_BUDGET: GaugeName =
    GaugeName { name: "mamparo_retry_budget_tokens", help: "What is left for making calls again" };
/// Calls answered by a hedge.
pub const HEDGE_WON: CounterName =
    CounterName { name: "mamparo_hedge_won", help: "Calls that a hedge answered before the first attempt" };
/// After how long a call is made once more.
pub const HEDGE_DELAY: GaugeName =
    GaugeName { name: "mamparo_hedge_delay_seconds", help: "After how long a call is made once more" };
/// What a breaker is.
pub const BREAKER_STATE: GaugeName =
    GaugeName { name: "mamparo_breaker_state", help: "1 for the state that a breaker has, by state" };
/// Calls under way in a bulkhead.
pub const BULKHEAD_UNDER_WAY: GaugeName =
    GaugeName { name: "mamparo_bulkhead_under_way", help: "Calls under way in a bulkhead" };
/// Calls that wait for a bulkhead.
pub const BULKHEAD_WAITING: GaugeName =
    GaugeName { name: "mamparo_bulkhead_waiting", help: "Calls that wait for a bulkhead" };
/// Calls at a time that an adaptive limit allows.
pub const ADAPTIVE_LIMIT: GaugeName =
    GaugeName { name: "mamparo_adaptive_limit", help: "Calls at a time that an adaptive limit allows" };
/// Calls under way at an adaptive limit.
pub const ADAPTIVE_UNDER_WAY: GaugeName =
    GaugeName { name: "mamparo_adaptive_under_way", help: "Calls under way at an adaptive limit" };
/// Calls that wait for their turn at a rate limit.
pub const RATE_LIMIT_WAITING: GaugeName =
    GaugeName { name: "mamparo_rate_limit_waiting", help: "Calls that wait for their turn at a rate limit" };
/// The share of what is asked for that a shedder accepts.
pub const SHED_ACCEPTED: GaugeName = GaugeName {
    name: "mamparo_shed_accepted_ratio",
    help: "Share of what is asked for that is accepted, from 0 to 1",
};
/// What the worst sign of overload shows.
pub const SHED_PRESSURE: GaugeName = GaugeName {
    name: "mamparo_shed_pressure_ratio",
    help: "What the worst sign of overload shows; 1 and more is overload",
};
/// The share of attempts that a client holds back.
pub const THROTTLE_HELD_BACK: GaugeName = GaugeName {
    name: "mamparo_throttle_held_back_ratio",
    help: "Share of attempts that are not even sent, from 0 to 1",
};
/// Faults on purpose.
pub const FAULTS_INJECTED: CounterName =
    CounterName { name: "mamparo_faults_injected", help: "Calls to which something was done on purpose" };
/// Reads of a cache, by kind: hit, stale, miss; joined are those misses that waited for another's load.
pub const CACHE_READS: CounterName = CounterName {
    name: "mamparo_cache_reads",
    help: "Reads of a cache by kind: hit, stale, miss, and joined for misses that waited for a load of others",
};
/// Loads of a cache, by kind: begun; and of these refresh, failed, overtaken; refused were not begun.
pub const CACHE_LOADS: CounterName = CounterName {
    name: "mamparo_cache_loads",
    help: "Loads of a cache by kind: begun, of these refresh, failed, overtaken; and refused",
};
/// Microseconds that the loads of a cache took.
pub const CACHE_LOAD_MICROS: CounterName = CounterName {
    name: "mamparo_cache_load_microseconds",
    help: "Microseconds that the loads of a cache took, all together",
};
/// Entries that a cache let go, by cause.
pub const CACHE_EVICTIONS: CounterName = CounterName {
    name: "mamparo_cache_evictions",
    help: "Entries that a cache let go by cause: capacity, expired, invalidated, tag, rejected",
};
/// Entries of a cache.
pub const CACHE_ENTRIES: GaugeName =
    GaugeName { name: "mamparo_cache_entries", help: "Entries that a cache holds" };
/// Weight of the entries of a cache.
pub const CACHE_WEIGHT: GaugeName =
    GaugeName { name: "mamparo_cache_weight", help: "Weight of the entries that a cache holds" };
/// Requests that the cache of a route looked at, by result.
pub const HTTP_CACHE_REQUESTS: CounterName = CounterName {
    name: "mamparo_http_cache_requests",
    help: "Requests of a route with a cache, by result: hit, stale, miss, bypass, absent (only-if-cached)",
};
/// Requests that the cache of a route passed by, by reason.
pub const HTTP_CACHE_BYPASSED: CounterName = CounterName {
    name: "mamparo_http_cache_bypassed",
    help: "Requests that the cache passed by: method, body, no-store, precondition, range, head, address, full",
};
/// Times that a request waited for what another fetched.
pub const HTTP_CACHE_WAITS: CounterName = CounterName {
    name: "mamparo_http_cache_waits",
    help: "Times that a request waited for what another fetched",
};
/// Fetches of the cache of a route, by what they came to.
pub const HTTP_CACHE_FETCHES: CounterName = CounterName {
    name: "mamparo_http_cache_fetches",
    help: "Fetches by what they came to: stored, of these revalidated; unstorable, overtaken, failed, aborted",
};
/// Fetches of the cache of a route that nobody waited for.
pub const HTTP_CACHE_REFRESHES: CounterName = CounterName {
    name: "mamparo_http_cache_refreshes",
    help: "Fetches that nobody waited for, of what was served stale",
};
/// Purges of the cache of a route.
pub const HTTP_CACHE_PURGES: CounterName = CounterName {
    name: "mamparo_http_cache_purges",
    help: "Purges, and changes by requests of unsafe methods",
};
/// Entries that the cache of a route let go for others.
pub const HTTP_CACHE_EVICTED: CounterName = CounterName {
    name: "mamparo_http_cache_evicted",
    help: "Entries that the cache let go to make room for others",
};
/// Entries in the cache of a route.
pub const HTTP_CACHE_ENTRIES: GaugeName = GaugeName {
    name: "mamparo_http_cache_entries",
    help: "Answers in the cache, and what is known of addresses",
};
/// Bytes in the cache of a route.
pub const HTTP_CACHE_BYTES: GaugeName =
    GaugeName { name: "mamparo_http_cache_bytes", help: "Bytes that the entries of the cache cost" };
/// Bytes of answers that the cache of a route reads.
pub const HTTP_CACHE_BUFFERED: GaugeName = GaugeName {
    name: "mamparo_http_cache_buffered_bytes",
    help: "Bytes of answers that are being read to be kept",
};

/// Every counter.
pub const COUNTERS: &[CounterName] = &[
    ADMIN_REQUESTS,
    CONFIG_RELOADS,
    LEDGER_UNITS,
    LEDGER_GROUPS,
    OUTBOX_SENT,
    OUTBOX_FAILURES,
    CONSUMER_MESSAGES,
    SPANS_TAKEN,
    SPANS_DROPPED,
    POLICY_CALLS,
    POLICY_VERDICTS,
    KEYED_VERDICTS,
    POLICY_TIMEOUTS,
    POLICY_REPEATS,
    RETRY_GIVEN_UP,
    HEDGE_WON,
    FAULTS_INJECTED,
    CACHE_READS,
    CACHE_LOADS,
    CACHE_LOAD_MICROS,
    CACHE_EVICTIONS,
    HTTP_CACHE_REQUESTS,
    HTTP_CACHE_BYPASSED,
    HTTP_CACHE_WAITS,
    HTTP_CACHE_FETCHES,
    HTTP_CACHE_REFRESHES,
    HTTP_CACHE_PURGES,
    HTTP_CACHE_EVICTED,
];
/// Every gauge.
pub const GAUGES: &[GaugeName] = &[
    CONFIG_GENERATION,
    CONFIG_REFUSED,
    CONFIG_NEEDS_RESTART,
    CONFIG_LAST_RELOAD,
    CONFIG_LAST_RELOAD_SUCCESSFUL,
    PROCESS_RESIDENT,
    LEDGER_POSITION,
    LEDGER_OUTBOX,
    LEDGER_WAITING,
    LEDGER_LOG_BYTES,
    OUTBOX_LAG,
    OUTBOX_OLDEST,
    OUTBOX_PARKED,
    CONSUMER_RUNNING,
    PROJECTION_LAG,
    PROJECTION_PARKED,
    SAGAS,
    QUEUE_READY,
    QUEUE_DELAYED,
    QUEUE_LEASED,
    QUEUE_DEAD,
    RETRY_BUDGET,
    HEDGE_DELAY,
    BREAKER_STATE,
    BULKHEAD_UNDER_WAY,
    BULKHEAD_WAITING,
    ADAPTIVE_LIMIT,
    ADAPTIVE_UNDER_WAY,
    RATE_LIMIT_WAITING,
    SHED_ACCEPTED,
    SHED_PRESSURE,
    THROTTLE_HELD_BACK,
    CACHE_ENTRIES,
    CACHE_WEIGHT,
    HTTP_CACHE_ENTRIES,
    HTTP_CACHE_BYTES,
    HTTP_CACHE_BUFFERED,
];

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
