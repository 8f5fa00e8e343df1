//! Everything here is bounded, and these are the bounds.

use std::time::{Duration, Instant};

/// The bounds of a proxy. [`Limits::default`] suits a gateway in front of small JSON services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections that one worker serves at the same time; the next one is answered 503 and closed.
    pub connections_per_worker: usize,
    /// Connections that one worker serves from one address at the same time; nothing where that is not bounded.
    pub connections_per_source: Option<usize>,
    /// Request line and header lines together, in bytes; above it 431. The head of an answer, with those that went before
    /// it (`1xx`), may have twice as many, and 64 KiB at least; above it 502.
    pub header_bytes: usize,
    /// Header lines of one request; above it 431.
    pub header_count: usize,
    /// Request target, in bytes; above it 414.
    pub uri_bytes: usize,
    /// Body of a request, in bytes, where its route does not say otherwise; above it 413.
    pub body_bytes: u64,
    /// From the first byte of a request to the end of its header, and from accepting a connection to its first
    /// byte; above it 408, or the connection is closed where nothing was asked yet.
    pub header_time: Duration,
    /// How long a body may stand still, in either direction, before it is given up.
    pub body_idle: Duration,
    /// How long a client's connection may rest between two requests.
    pub idle_time: Duration,
    /// How long a connection that is closed under a client which still sends is read empty, so that the client
    /// sees the answer and no reset.
    pub linger_time: Duration,
    /// How many bytes are read, at most, while lingering.
    pub linger_bytes: usize,
    /// How long nothing may pass through a tunnel, such as a WebSocket.
    pub tunnel_idle: Duration,
    /// How long connecting to an endpoint may take, handshakes included.
    pub connect_time: Duration,
    /// Idle connections kept per endpoint and worker.
    pub pool_idle_count: usize,
    /// How long an idle connection to an endpoint is kept. It must be shorter than the idle time of the
    /// endpoint's own server, else requests meet connections that are just being closed.
    pub pool_idle_time: Duration,
    /// How old a connection to an endpoint may be when it is given another request.
    pub pool_age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_per_worker: 4096,
            connections_per_source: None,
            header_bytes: 64 * 1024,
            header_count: 100,
            uri_bytes: 8 * 1024,
            body_bytes: 8 * 1024 * 1024,
            header_time: Duration::from_secs(10),
            body_idle: Duration::from_secs(30),
            idle_time: Duration::from_secs(75),
            linger_time: Duration::from_secs(2),
            linger_bytes: 16 * 1024 * 1024,
            tunnel_idle: Duration::from_secs(60 * 60),
            connect_time: Duration::from_secs(1),
            pool_idle_count: 256,
            pool_idle_time: Duration::from_secs(4),
            pool_age: Duration::from_secs(300),
        }
    }
}

impl Limits {
    /// All heads of one answer of a service that speaks HTTP/1.1 together, those of `1xx` among them, in bytes; above it the
    /// answer is none: 502.
    pub(crate) fn answer_head_bytes(&self) -> usize {
        BUFFER_BYTES.max(self.header_bytes.saturating_mul(2))
    }
}

/// Longest line that gives the size of a chunk, with its extensions, in bytes.
pub(crate) const CHUNK_LINE_BYTES: usize = 1024;
/// All extensions of the chunks of one body, in bytes; no more than the parser takes.
pub(crate) const CHUNK_EXTENSION_BYTES: usize = 16 * 1024 - 1;
/// All trailers of a body, in bytes; no more than the parser takes.
pub(crate) const TRAILER_BYTES: usize = 16 * 1024 - 1;
/// Empty lines that are passed over before a request line.
pub(crate) const LEADING_EMPTY_LINES: usize = 4;
/// Longest `x-request-id` that is taken over from a client, in bytes.
pub(crate) const REQUEST_ID_BYTES: usize = 128;
/// Tries beyond the first for a request that was proven unsent.
pub(crate) const UNSENT_RETRIES: u32 = 2;
/// First pause between two attempts to connect; it doubles up to [`CONNECT_PAUSE_MAX`].
pub(crate) const CONNECT_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause between two attempts to connect.
pub(crate) const CONNECT_PAUSE_MAX: Duration = Duration::from_millis(400);
/// How often idle connections to endpoints are looked through.
pub(crate) const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How long it is remembered after which rest an endpoint closes connections, when none is used.
pub(crate) const REST_KNOWN_TIME: Duration = Duration::from_secs(600);
/// After which rest a connection is looked at once more before a request goes out on it that must not be sent twice.
pub(crate) const REST_LOOK: Duration = Duration::from_millis(5);
/// Most connections that wait to be taken; a system may allow less (`net.core.somaxconn`). Whoever finds no place comes
/// again after a second.
pub(crate) const BACKLOG: i32 = 4096;
/// How long accepting rests when the machine has no descriptor left.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// Shortest pause between two looks at a connection on which nothing happens.
pub(crate) const LOOK_MIN: Duration = Duration::from_millis(1);

/// The moment that lies `time` after `now`, or so far away that nobody lives to see it.
pub(crate) fn after(now: Instant, time: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365);
    now.checked_add(time).unwrap_or(now + FAR)
}

/// How much of a new connection is read before it is known what it speaks, in bytes.
pub(crate) const FIRST_BYTES: usize = 2048;
/// Streams at the same time on one connection of a client.
pub(crate) const H2_STREAMS: u32 = 100;
/// How much of one body a client may send ahead, in bytes.
pub(crate) const H2_STREAM_WINDOW: u32 = 64 * 1024;
/// How much of all bodies of a connection a client may send ahead, in bytes.
pub(crate) const H2_CONNECTION_WINDOW: u32 = 512 * 1024;
/// How much of one answer is held while the client takes none of it, in bytes.
pub(crate) const H2_SEND_BUFFER: usize = 64 * 1024;
/// How long after its deadline a stream is cut that nobody looks at any more.
pub(crate) const H2_STREAM_GRACE: Duration = Duration::from_secs(1);
/// Streams that a client may cancel within [`H2_RESET_WINDOW`] before its connection is closed.
pub(crate) const H2_RESETS: u32 = 200;
/// See [`H2_RESETS`].
pub(crate) const H2_RESET_WINDOW: Duration = Duration::from_secs(10);
/// Streams that are under way at the same time on one connection to a service, before another is opened.
pub(crate) const H2_STREAMS_OUT: usize = 100;
/// How long after a connection to a service was opened it is waited for it to say that it takes WebSockets.
pub(crate) const H2_SETTINGS_TIME: Duration = Duration::from_secs(1);
/// How often it is looked at meanwhile whether it has.
pub(crate) const H2_SETTINGS_LOOK: Duration = Duration::from_millis(2);
/// Connections to one endpoint that speaks HTTP/2, for each worker.
pub(crate) const H2_CONNECTIONS_OUT: usize = 8;

/// How long a connection that has said nothing yet is listened to when the worker drains.
pub(crate) const DRAIN_GRACE: Duration = Duration::from_millis(50);
/// What is read at a time in a tunnel, in bytes, each way.
pub(crate) const TUNNEL_BUFFER: usize = 8 * 1024;
/// Interim answers of services that go on to the client, for each request.
pub(crate) const INTERIM_ANSWERS: usize = 8;
/// Interim answers that wait to go on to the client, in bytes.
pub(crate) const INTERIM_BYTES: usize = 16 * 1024;
/// How often a tunnel is looked at, whether anything passes.
pub(crate) const TUNNEL_LOOK: Duration = Duration::from_secs(5);

/// How many endpoints of a service are asked for their health at the same time.
pub(crate) const PROBES_AT_ONCE: usize = 16;
/// How often it is looked at, at least, whether an endpoint is to be asked.
pub(crate) const PROBE_LOOK: Duration = Duration::from_secs(1);
/// Longest answer to a question for health that is read, in bytes.
pub(crate) const PROBE_BODY_BYTES: usize = 1024;

/// How long after an answer a connection gives up what it holds for the next request.
pub(crate) const REST_AFTER: Duration = Duration::from_secs(1);
/// Lines of the access log that are handed over though their worker is busy, in bytes.
pub(crate) const ACCESS_BUFFER: usize = 32 * 1024;

/// Least read buffer of a connection, in bytes.
pub(crate) const BUFFER_BYTES: usize = 64 * 1024;

/// Longest regular expression of a route, in bytes.
pub(crate) const REGEX_BYTES: usize = 1024;
/// Largest automaton that one regular expression may become, in bytes, while it is built.
pub(crate) const REGEX_NFA_BYTES: usize = 64 * 1024;
/// How many times that those of the paths of one host may take together.
pub(crate) const REGEX_NFA_SHARES: usize = 64;
/// What the states of an automaton that are kept may take, in bytes, for each thread that uses it.
pub(crate) const REGEX_CACHE_BYTES: usize = 128 * 1024;
/// Most regular expressions for paths of one host.
pub(crate) const REGEXES_PER_HOST: usize = 256;
/// Most different regular expressions for headers and queries in one routing.
pub(crate) const REGEXES_OF_VALUES: usize = 1024;
/// Most segments of a path with variables.
pub(crate) const TEMPLATE_SEGMENTS: usize = 32;
/// Copies of requests that one worker sends at the same time; a request beyond them is not copied.
pub(crate) const MIRRORS_PER_WORKER: usize = 64;
/// Answers that one worker reads or fetches at the same time for the cache alone, no client waiting for them; what comes
/// beyond is left.
pub(crate) const READS_BEHIND_PER_WORKER: usize = 64;
/// How much of an answer is read that nobody wants, so that its connection can be used again, in bytes.
pub(crate) const UNWANTED_BYTES: usize = 64 * 1024;
