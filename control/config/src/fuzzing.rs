//! What the fuzzer reaches of this crate, and nobody else. No part of the interface: it changes without notice.

/// The tree of `text`, places included, as the reader of ordinary text has it and as the general one has it; nothing
/// where the first leaves it to the second.
pub fn both_readings(text: &str) -> Option<(String, String)> {
    crate::tree::both_readings(text)
}
