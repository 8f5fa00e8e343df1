//! The limits of the hub: everything that grows has one here, or in the options of its topic.

use std::time::Duration;

/// Most topics of one hub.
pub const TOPICS_MAX: usize = 4_096;
/// Most partitions of one log.
pub const PARTITIONS_MAX: u32 = 1_024;
/// Most members of one consumer group; those without a partition stand by.
pub const GROUP_MEMBERS_MAX: usize = 1_024;
/// Most consumer groups of one log.
pub const GROUPS_MAX: usize = 1_024;
/// Bytes after which a batch that is received or read ends; one message is always handed out, however large.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most bytes of one batch that is published or appended.
pub const PUBLISH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest stored text of one error, in bytes; the rest is cut off.
pub const ERROR_BYTES_MAX: usize = 4 * 1024;
/// Longest lease.
pub const VISIBILITY_MAX: Duration = Duration::from_secs(12 * 3600);
/// Longest delay of a message, by `not_before` or by `nack`.
pub const DELAY_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
/// Longest time that one call waits for a message; a longer one is asked for again.
pub const WAIT_MAX: Duration = Duration::from_secs(60);
/// What a publisher is told to wait when a queue is full.
pub const FULL_RETRY_AFTER: Duration = Duration::from_millis(250);
/// Leases and delays that one transaction looks after; the rest follows in the next.
pub const SWEEP_MAX: u32 = 256;
/// Records that one append drops at most because of retention, beyond twice the number it adds.
pub const PRUNE_MIN: usize = 64;
/// Remembered ids (of a queue with a deduplication window) that one publish forgets at most, beyond twice the
/// number it adds.
pub const FORGET_MIN: usize = 64;
/// Waiting receivers that one publish wakes at most; each wakes the next when it leaves something.
pub const WAKE_MAX: usize = 16;
/// How long the keeper rests after the ledger refused its work.
pub const KEEPER_REST: Duration = Duration::from_millis(250);

/// Largest frame on the wire: a batch of the largest size, with what surrounds it.
pub const FRAME_BYTES_MAX: usize = 12 * 1024 * 1024;
/// Headers of one message on the wire.
pub const HEADERS_MAX: usize = 1_024;
/// Frames of one stream that are under way at a time; the server reads no further meanwhile.
pub const FRAMES_UNDER_WAY_MAX: usize = 64;
/// Bytes of published messages of one stream that are under way at a time.
pub const BYTES_UNDER_WAY_MAX: usize = 2 * PUBLISH_BYTES_MAX;
/// Leases that one stream holds; it gets no further messages until it settles some.
pub const LEASES_PER_STREAM_MAX: usize = 10_000;
/// Credits of one stream that wait for messages; the next ones are refused as busy.
pub const CREDITS_PER_STREAM_MAX: usize = 1_024;
/// Streams of one connection.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 1_024;
/// Unread bytes of one stream.
pub const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// Unread bytes of all streams of one connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// How often an idle connection is asked whether the other side still lives.
pub const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
/// How long it has to answer.
pub const KEEPALIVE_WAIT: Duration = Duration::from_secs(5);
/// How long a server that stops waits for its streams to end.
pub const DRAIN_MAX: Duration = Duration::from_secs(5);
/// How long a client waits for a connection.
pub const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// How long a client rests after the first attempt to connect that failed; it doubles.
pub const RECONNECT_REST: Duration = Duration::from_millis(20);
/// The longest rest between attempts to connect.
pub const RECONNECT_REST_MAX: Duration = Duration::from_secs(1);

const _: () = assert!(FRAME_BYTES_MAX > PUBLISH_BYTES_MAX);
const _: () = assert!(BATCH_BYTES_MAX > mamparo_broker::limits::PAYLOAD_BYTES_MAX);
const _: () = assert!(mamparo_broker::limits::BATCH_MAX <= mamparo_ledger::limits::ROWS_MAX);
