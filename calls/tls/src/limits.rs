//! Everything here is bounded, and these are the bounds.

/// Longest file of certificates, or of a key, that is read, in bytes. The roots of a whole system are about 200 KB.
pub(crate) const PEM_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Certificates that one listener chooses from.
pub(crate) const CERTIFICATES_MAX: usize = 10_000;
/// Longest name of a host, in bytes (RFC 1035).
pub(crate) const HOST_BYTES: usize = 253;
/// Longest label of a name of a host, in bytes (RFC 1035).
pub(crate) const LABEL_BYTES: usize = 63;
