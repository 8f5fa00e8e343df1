//! How the id of a record stands in a column: engines hold signed numbers only, and the order must stay.

const SIGN: u64 = 1 << 63;

pub(crate) fn to_column(id: u64) -> i64 {
    (id ^ SIGN).cast_signed()
}

pub(crate) fn from_column(column: i64) -> u64 {
    column.cast_unsigned() ^ SIGN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_in_the_order_of_ids() {
        let ids = [0, 1, 1_767_225_600_000_000, SIGN - 1, SIGN, SIGN + 1, u64::MAX - 1, u64::MAX];
        for pair in ids.windows(2) {
            assert!(to_column(pair[0]) < to_column(pair[1]), "{pair:?}");
        }
        for id in ids {
            assert_eq!(from_column(to_column(id)), id);
        }
    }
}
