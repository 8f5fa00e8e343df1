//! Everything here is bounded, and these are the bounds.

/// Largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most values and keys of a file, counting those of lists and mappings.
pub const FILE_NODES_MAX: usize = 2_000_000;
/// Most problems that one check reports.
pub const PROBLEMS_MAX: usize = 100;
/// Longest name of a service or an application, in bytes: it becomes a host name and a folder.
pub const NAME_BYTES_MAX: usize = 63;
/// Longest name of a topic, in bytes; no more than a broker takes.
pub const TOPIC_BYTES_MAX: usize = 200;
/// Most services, topics or applications, each.
pub const ENTRIES_MAX: usize = 1_000;
/// How much of a body is kept so that it can be sent again, where a route says nothing, in bytes.
pub const REPLAY_BYTES: u64 = 64 << 10;
/// How much of a body may be kept so that it can be sent again, in bytes.
pub const REPLAY_BYTES_MAX: u64 = 8 << 20;
/// Rate limits of each client that a route may have.
pub const RATE_LIMITS_MAX: usize = 8;
/// Most networks and addresses of load balancers; no more than the proxy takes.
pub const PROXY_PROTOCOL_PEERS_MAX: usize = 1024;
/// Most hosts that are passed on without terminating TLS.
pub const PASSTHROUGH_HOSTS_MAX: usize = 10_000;
/// Most routes.
pub const ROUTES_MAX: usize = 10_000;
/// Longest name of a route, in bytes.
pub const ROUTE_NAME_BYTES_MAX: usize = 200;
/// Longest regular expression, in bytes; no more than the proxy takes.
pub const REGEX_BYTES_MAX: usize = 1024;
/// Largest automaton that one regular expression becomes, in bytes; no more than the proxy takes.
pub const REGEX_NFA_BYTES_MAX: usize = 64 * 1024;
/// What the automata of the paths of one host take together, in bytes; less than the proxy takes.
pub const REGEX_HOST_BYTES_MAX: usize = 12 * REGEX_NFA_BYTES_MAX;
/// Most regular expressions for paths of one host; no more than the proxy takes.
pub const REGEXES_PER_HOST_MAX: usize = 256;
/// Most different regular expressions for headers and parameters; no more than the proxy takes.
pub const REGEXES_OF_VALUES_MAX: usize = 1024;
/// Most segments of a path with variables; no more than the proxy takes.
pub const TEMPLATE_SEGMENTS_MAX: usize = 32;

const _: () = assert!(NAME_BYTES_MAX < TOPIC_BYTES_MAX);
