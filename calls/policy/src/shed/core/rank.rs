//! How much a call matters, as one number: its class, and in the class the cohort of its user.
//!
//! A cohort is a stable hash of the user, so that under overload some users are served well and some are not,
//! instead of all of them badly: an order of ten calls of which each fails with one chance in ten fails with two in
//! three. The hash is mixed with a salt that changes at long intervals, so that it is not always the same users.

use mamparo_context::Context;

use super::index;

/// Cohorts of a class.
pub const COHORTS: usize = 100;
/// Ranks there are: the lowest is shed first.
pub const RANKS: usize = 4 * COHORTS;

/// The rank of a call in `0..RANKS`. The user is its principal; where nobody is known, its idempotency key or its
/// trace, so that one piece of work is treated as one.
pub fn rank(cx: &Context, salt: u64) -> usize {
    let hash = match (cx.principal(), cx.idempotency_key()) {
        (Some(principal), _) => hash(principal.as_str().as_bytes(), salt),
        (None, Some(key)) => hash(key.as_str().as_bytes(), salt),
        (None, None) => hash(cx.trace().trace_id().as_bytes(), salt),
    };
    let cohort = usize::try_from(hash % COHORTS as u64).unwrap_or(0);
    index(cx.criticality()) * COHORTS + cohort
}

/// FNV-1a, and the finalizer of SplitMix64 behind it. The same in every process and release.
fn hash(bytes: &[u8], salt: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes.iter().fold(start, mix);
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use mamparo_context::{Criticality, Principal};

    use super::*;

    fn of(user: &str, salt: u64) -> usize {
        rank(&Context::root().with_principal(Principal::new(user)), salt)
    }

    #[test]
    fn a_user_has_one_cohort_and_every_cohort_has_users() {
        assert_eq!(of("ana", 0), of("ana", 0));
        let mut users = [0; COHORTS];
        (0..20_000).for_each(|number| users[of(&format!("user-{number}"), 0) - 200] += 1);
        assert!(users.iter().all(|users| (140..270).contains(users)), "{users:?}");
        let moved = (0..1_000).filter(|n| of(&n.to_string(), 0) != of(&n.to_string(), 1)).count();
        assert!(moved > 950, "{moved}");
    }

    #[test]
    fn the_class_counts_more_than_the_cohort_and_a_key_or_trace_stands_in_for_a_user() {
        let cx = Context::root();
        assert_eq!(rank(&cx, 7), rank(&cx.clone(), 7));
        let keyed = cx.clone().with_idempotency_key("order-1".parse().unwrap());
        let other = Context::root().with_idempotency_key("order-1".parse().unwrap());
        assert_eq!(rank(&keyed, 7), rank(&other, 7));
        for (class, ranks) in [
            (Criticality::Sheddable, 0..100),
            (Criticality::SheddablePlus, 100..200),
            (Criticality::Critical, 200..300),
            (Criticality::CriticalPlus, 300..400),
        ] {
            assert!(ranks.contains(&rank(&Context::root().with_criticality(class), 0)));
        }
    }
}
