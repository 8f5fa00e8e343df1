//! Everything here is bounded, and these are the bounds.

/// Longest file of certificates, or of a key, that is read, in bytes. The roots of a whole system are about 200 KB.
pub(crate) const PEM_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Certificates that one listener chooses from.
pub(crate) const CERTIFICATES_MAX: usize = 10_000;
/// Longest name of a host, in bytes (RFC 1035).
pub(crate) const HOST_BYTES: usize = 253;
/// Longest label of a name of a host, in bytes (RFC 1035).
pub(crate) const LABEL_BYTES: usize = 63;
/// Longest TLS hello of a client that is read without terminating TLS, in bytes, with the headers of its records. One
/// with a key exchange for the time after quantum computers has about 1,800.
pub(crate) const HELLO_BYTES: usize = 16 * 1024;
/// Longest line of the PROXY protocol, version 1, with its CR LF, in bytes (section 2.1).
pub(crate) const PROXY_V1_BYTES: usize = 107;
/// Longest part of a header of the PROXY protocol, version 2, that follows the first 16 bytes, in bytes.
pub(crate) const PROXY_V2_BYTES: usize = 4 * 1024;
/// Networks that one set of trusted peers may have.
pub(crate) const TRUSTED_NETWORKS_MAX: usize = 1024;
/// Most bytes that are read ahead of a connection: a header of the PROXY protocol, and a hello after it.
pub(crate) const AHEAD_BYTES: usize = HELLO_BYTES + PROXY_V2_BYTES + 16;
/// What is made room for first when bytes are read ahead; most headers and hellos fit.
pub(crate) const AHEAD_FIRST_BYTES: usize = 4 * 1024;
