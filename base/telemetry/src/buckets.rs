//! Upper bounds of histogram buckets. Few and fixed: every bucket of every route is a series that somebody pays
//! for, and series can only be added up when their bounds are equal.

/// For anything between a call within the machine and a request a person waits for, in seconds.
pub const SECONDS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// For work that takes its time, such as a saga from start to end, in seconds.
pub const LONG_SECONDS: [f64; 10] = [0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0];

/// For how many went together: rows of a group commit, messages of a batch.
pub const COUNT: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1_024.0];

/// For sizes, in bytes.
pub const BYTES: [f64; 8] =
    [256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 16_777_216.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_rise() {
        for bounds in [&SECONDS[..], &LONG_SECONDS, &COUNT, &BYTES] {
            assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "{bounds:?}");
        }
    }
}
