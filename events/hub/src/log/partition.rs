//! Which partition a message belongs to, and where its record lies in the table.

use mamparo_broker::Message;
use uuid::Uuid;

/// Offsets of one partition take the low 40 bits of a record's number, so that a partition is one dense range.
const OFFSET_BITS: u32 = 40;
const OFFSET_MASK: i64 = (1 << OFFSET_BITS) - 1;

/// The largest offset.
pub(crate) const OFFSET_MAX: u64 = OFFSET_MASK as u64;

/// The number of the record at `offset` of partition row `partition`.
pub(crate) fn pack(partition: i64, offset: u64) -> i64 {
    (partition << OFFSET_BITS) | i64::try_from(offset.min(OFFSET_MAX)).unwrap_or(OFFSET_MASK)
}

/// The offset of record number `record`.
pub(crate) fn offset_of(record: i64) -> u64 {
    u64::try_from(record & OFFSET_MASK).unwrap_or(0)
}

/// The partition, of `partitions`, that a message belongs to: FNV-1a (64 bits) of its key, or of the 16 bytes of
/// its id when it has none, modulo the number of partitions. The same for every version of the program.
pub(crate) fn partition_of(message: &Message, id: Uuid, partitions: u32) -> u32 {
    let hash = match &message.key {
        Some(key) => fnv1a(key.as_bytes()),
        None => fnv1a(id.as_bytes()),
    };
    u32::try_from(hash % u64::from(partitions.max(1))).unwrap_or(0)
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        // From the reference of the algorithm's authors.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_key_stays_in_its_partition_and_keys_spread() {
        let of = |key: &str| partition_of(&Message::new("t", "").key(key), Uuid::nil(), 8);
        assert_eq!(of("order-1"), of("order-1"));
        let mut counts = [0; 8];
        (0..8_000).for_each(|n| counts[of(&format!("order-{n}")) as usize] += 1);
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }

    #[test]
    fn records_are_numbered_densely() {
        assert_eq!(pack(3, 7), 3 * (1 << 40) + 7);
        assert_eq!(offset_of(pack(3, 7)), 7);
        assert!(pack(3, OFFSET_MAX) < pack(4, 0));
        assert_eq!(offset_of(pack(8_388_607, OFFSET_MAX)), OFFSET_MAX);
    }
}
