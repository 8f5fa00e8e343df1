//! What a line of the access log may say.

/// What a line of the access log may say besides its time, in the order in which it does.
pub const FIELDS: [&str; 14] = [
    "method",
    "path",
    "status",
    "sent",
    "received",
    "duration_us",
    "route",
    "service",
    "code",
    "aborted",
    "trace",
    "protocol",
    "client",
    "cache",
];
