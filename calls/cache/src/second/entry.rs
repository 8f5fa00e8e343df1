//! How an entry stands in the second level.

use std::sync::Arc;
use std::time::Duration;

use mamparo_context::Timestamp;

use crate::limits::TAGS_PER_ENTRY;

/// The form of the entries; what has another is not read.
const FORM: u8 = 1;
const ABSENT: u8 = 0;
const PRESENT: u8 = 1;

/// An entry in the second level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The value in its own form; `None` is the knowledge that there is none.
    pub(super) value: Option<Vec<u8>>,
    pub(super) fresh_until: Timestamp,
    /// The number of the last note before it was loaded.
    pub(super) sequence: u64,
    /// How long its load took.
    pub(super) cost: Duration,
    pub(super) tags: Vec<Arc<str>>,
}

impl Entry {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORM, if self.value.is_some() { PRESENT } else { ABSENT }];
        bytes.extend_from_slice(&self.fresh_until.as_micros().to_le_bytes());
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&u64::try_from(self.cost.as_micros()).unwrap_or(u64::MAX).to_le_bytes());
        bytes.extend_from_slice(&(self.tags.len() as u32).to_le_bytes());
        for tag in &self.tags {
            bytes.extend_from_slice(&(tag.len() as u32).to_le_bytes());
            bytes.extend_from_slice(tag.as_bytes());
        }
        bytes.extend_from_slice(self.value.as_deref().unwrap_or_default());
        bytes
    }

    /// `None` for what is no entry of this form.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[FORM, is_present], rest) = bytes.split_first_chunk()? else { return None };
        let (fresh_until, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (cost, rest) = rest.split_first_chunk()?;
        let (count, mut rest) = rest.split_first_chunk()?;
        let count = u32::from_le_bytes(*count) as usize;
        if count > TAGS_PER_ENTRY {
            return None;
        }
        let mut tags = Vec::with_capacity(count);
        for _ in 0..count {
            let (length, after) = rest.split_first_chunk()?;
            let (tag, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            tags.push(std::str::from_utf8(tag).ok()?.into());
            rest = after;
        }
        let value = match is_present {
            PRESENT => Some(rest.to_vec()),
            ABSENT if rest.is_empty() => None,
            _ => return None,
        };
        Some(Self {
            value,
            fresh_until: Timestamp::from_micros(i64::from_le_bytes(*fresh_until)),
            sequence: u64::from_le_bytes(*sequence),
            cost: Duration::from_micros(u64::from_le_bytes(*cost)),
            tags,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50)),
            micros in any::<i64>(), sequence in any::<u64>(), cost in 0_u64..1 << 50,
            tags in proptest::collection::vec("[a-zñ]{0,9}", 0..5),
        ) {
            let tags = tags.iter().map(|tag| tag.as_str().into()).collect();
            let cost = Duration::from_micros(cost);
            let entry = Entry { value, fresh_until: Timestamp::from_micros(micros), sequence, cost, tags };
            prop_assert_eq!(Entry::decode(&entry.encode()), Some(entry));
        }

        #[test]
        fn anything_else_is_no_entry_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Entry::decode(&bytes);
            if bytes.first() != Some(&FORM) {
                prop_assert_eq!(Entry::decode(&bytes), None);
            }
        }
    }
}
