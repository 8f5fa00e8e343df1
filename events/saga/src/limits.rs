//! Every bound of this crate, and how they relate.

use std::time::Duration;

/// Most sagas of one status that are counted.
pub const COUNTED_MAX: u64 = 100_000;
/// Most steps of one definition.
pub const STEPS_MAX: usize = 64;
/// Longest name of a definition or a step, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest id of a saga, in bytes.
pub const SAGA_ID_BYTES_MAX: usize = 128;
/// Longest reason that is stored, in bytes; a longer one is cut.
pub const REASON_BYTES_MAX: usize = 1_024;
/// Most entries of a saga's history; when it is full, entries in the middle make room.
pub const HISTORY_ENTRIES_MAX: usize = 64;
/// How many entries from the beginning of the story are never given up.
pub(crate) const HISTORY_ENTRIES_KEPT: usize = 16;

/// How long an answer is waited for when a step does not say.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// First pause between two attempts when a policy does not say.
pub(crate) const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest pause between two attempts when a policy does not say.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Most sagas that are woken at once.
pub(crate) const WAKES_AT_ONCE_MAX: usize = 256;
/// Most calls that are under way at once.
pub(crate) const CALLS_AT_ONCE_MAX: usize = 256;
/// Shortest time between two looks at the timers while timers are being set: how late a timer may fire.
pub(crate) const WAKE_EVERY_MIN: Duration = Duration::from_millis(10);
/// Longest time between two looks at the timers.
pub(crate) const WAKE_EVERY_MAX: Duration = Duration::from_secs(1);
/// How long to wait when the timers cannot be read, or a saga could not be woken.
pub(crate) const WAKE_RETRY_AFTER: Duration = Duration::from_millis(100);
/// How often a saga is looked at whose definition is not known here.
pub(crate) const UNKNOWN_LOOKED_AT_EVERY: Duration = Duration::from_secs(60);

/// The longest text a command id can add to the saga's id and the step's name: `/` and `/undo.4294967295`.
pub(crate) const COMMAND_SUFFIX_BYTES_MAX: usize = 1 + 16;

const _: () = assert!(HISTORY_ENTRIES_KEPT < HISTORY_ENTRIES_MAX);
// A command id must fit an idempotency key, with `#` and the attempt behind it.
const _: () = assert!(SAGA_ID_BYTES_MAX + NAME_BYTES_MAX + COMMAND_SUFFIX_BYTES_MAX + 11 <= 255);

/// `text`, cut at a character so that it holds no more than [`REASON_BYTES_MAX`].
pub(crate) fn bounded(mut text: String) -> String {
    if text.len() > REASON_BYTES_MAX {
        text.truncate(text.floor_char_boundary(REASON_BYTES_MAX));
    }
    text
}

/// Whether `text` may name a definition or a step.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(bounded("no stock".into()), "no stock");
        let cut = bounded("ñ".repeat(REASON_BYTES_MAX));
        assert_eq!(cut.len(), REASON_BYTES_MAX);
        assert_eq!(bounded(format!("x{}", "ñ".repeat(REASON_BYTES_MAX))).len(), REASON_BYTES_MAX - 1);
    }

    #[test]
    fn names_are_plain() {
        for (name, fits) in
            [("place-order", true), ("a.b_c-9", true), ("", false), ("a/b", false), ("ñ", false)]
        {
            assert_eq!(is_name(name), fits, "{name}");
        }
        assert!(!is_name(&"x".repeat(NAME_BYTES_MAX + 1)));
    }
}
