//! Consistent hashing: which endpoint a key belongs to, the same in every process that knows the same endpoints.
//!
//! The table is that of D. Eisenbud and others, "Maglev: a fast and reliable software network load balancer" (NSDI 2016,
//! section 3.4), with turns in proportion to the weights as in Envoy. It holds all endpoints, available or not: while one
//! is away only its own keys go elsewhere, each by further hashes of its own, and all come back with it. A table of those
//! that are available would move some keys of the others too.

use std::net::{IpAddr, SocketAddr};

use crate::limits::{MAGLEV_PLACES, MAGLEV_PROBES};

/// The table. It has 65,537 places of two bytes.
#[derive(Debug)]
pub(crate) struct Table(Box<[u16]>);

/// The turn of one endpoint in filling the table.
struct Filler {
    index: u16,
    name: u64,
    weight: u64,
    /// Grows with each round by the weight; a turn takes the highest weight of all.
    credit: u64,
    at: usize,
    step: usize,
}

impl Table {
    /// The table for these endpoints and weights. It does not depend on their order, and who has a weight has at least one
    /// place. Takes about two milliseconds, and three for a
    /// thousand endpoints.
    pub(crate) fn new(endpoints: impl IntoIterator<Item = (SocketAddr, u32)>) -> Self {
        let mut fillers: Vec<Filler> = (0_u16..).zip(endpoints).filter_map(Filler::new).collect();
        fillers.sort_by_key(|filler| (filler.name, filler.index));
        let highest = fillers.iter().map(|filler| filler.weight).max().unwrap_or(0);
        fillers.iter_mut().for_each(|filler| filler.credit = highest - filler.weight);
        let mut places: Vec<Option<u16>> = vec![None; MAGLEV_PLACES];
        let mut left = if fillers.is_empty() { 0 } else { MAGLEV_PLACES };
        while left > 0 {
            for filler in &mut fillers {
                filler.credit += filler.weight;
                if filler.credit < highest || left == 0 {
                    continue;
                }
                filler.credit -= highest;
                filler.take(&mut places);
                left -= 1;
            }
        }
        Self(places.into_iter().flatten().collect())
    }

    /// Where a key goes first, or where it goes at a further `probe`.
    #[inline]
    pub(crate) fn at(&self, key: u64, probe: u64) -> Option<usize> {
        let place = place(hash(key, probe));
        self.0.get(place).map(|index| usize::from(*index))
    }

    /// The first endpoint that may take the key, out of a bounded number of probes.
    #[inline]
    pub(crate) fn find(&self, key: u64, may: impl Fn(usize) -> bool) -> Option<usize> {
        (0..MAGLEV_PROBES).filter_map(|probe| self.at(key, probe)).find(|index| may(*index))
    }
}

impl Filler {
    fn new((index, (address, weight)): (u16, (SocketAddr, u32))) -> Option<Self> {
        let name = name(address);
        let step = 1 + remainder(mix(name ^ 0x5bd1_e995_9d1b_a9e3), MAGLEV_PLACES as u64 - 1);
        let filler = Self { index, name, weight: weight.into(), credit: 0, at: place(name), step };
        (weight > 0).then_some(filler)
    }

    /// Takes the next free place in its own order of all places.
    fn take(&mut self, places: &mut [Option<u16>]) {
        // The number of places is a prime, so that the steps come by each of them.
        for _ in 0..places.len() {
            let at = self.at;
            self.at = (at + self.step) % MAGLEV_PLACES;
            if let Some(free @ None) = places.get_mut(at) {
                *free = Some(self.index);
                return;
            }
        }
    }
}

fn place(hash: u64) -> usize {
    remainder(hash, MAGLEV_PLACES as u64)
}

fn remainder(hash: u64, by: u64) -> usize {
    usize::try_from(hash % by).unwrap_or(0)
}

/// The hash of a key for one of its probes.
#[inline]
pub(crate) fn hash(key: u64, probe: u64) -> u64 {
    mix(key.wrapping_add(probe.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// The number that an address has in every process.
fn name(address: SocketAddr) -> u64 {
    let (high, low) = match address.ip() {
        IpAddr::V4(ip) => (0, u64::from(ip.to_bits())),
        IpAddr::V6(ip) => split(ip.to_bits()),
    };
    let port = u64::from(address.port()) | u64::from(address.is_ipv6()) << 16;
    mix(mix(mix(port).wrapping_add(high)).wrapping_add(low))
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves")]
fn split(bits: u128) -> (u64, u64) {
    ((bits >> 64) as u64, bits as u64)
}

/// The finalizer of SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014).
#[inline]
fn mix(mut x: u64) -> u64 {
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(host: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], 80))
    }

    fn equals(hosts: std::ops::Range<u8>) -> Vec<(SocketAddr, u32)> {
        hosts.map(|host| (address(host), 1)).collect()
    }

    fn shares(table: &Table, number: usize) -> Vec<usize> {
        let mut shares = vec![0; number];
        table.0.iter().for_each(|index| shares[usize::from(*index)] += 1);
        shares
    }

    #[test]
    fn the_places_are_shared_out_evenly_and_by_weight() {
        for number in [1, 2, 3, 10, 100] {
            let table = Table::new(equals(0..number));
            assert_eq!(table.0.len(), MAGLEV_PLACES);
            let shares = shares(&table, number.into());
            let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
            assert!(most - least <= 1, "{number}: {least} to {most}");
        }
        let weights = [1, 2, 5, 0, 100];
        let table = Table::new((0_u8..).zip(weights).map(|(host, weight)| (address(host), weight)));
        for (share, weight) in shares(&table, 5).into_iter().zip(weights) {
            let ideal = f64::from(weight) * MAGLEV_PLACES as f64 / 108.0;
            assert!((share as f64 - ideal).abs() < 3.0, "{weight}: {share}, {ideal}");
        }
        let lightest = shares(&Table::new([(address(0), 1), (address(1), 1_000_000)]), 2);
        assert_eq!(lightest[0], 1);
    }

    #[test]
    fn who_goes_moves_few_keys_of_the_others() {
        for number in [2, 5, 20, 100] {
            let all = Table::new(equals(0..number));
            let less = Table::new(equals(1..number));
            let of_others = all.0.iter().zip(&less.0).filter(|(before, _)| **before != 0);
            let moved = of_others.filter(|(before, after)| **before != **after + 1).count();
            let share = moved as f64 / MAGLEV_PLACES as f64;
            assert!(share < 0.03, "{number}: {share}");
        }
    }

    #[test]
    fn the_order_of_the_list_says_nothing() {
        let (list, mut back) = (equals(0..20), equals(0..20));
        back.reverse();
        let (table, other) = (Table::new(list), Table::new(back));
        assert!(table.0.iter().zip(&other.0).all(|(index, other)| *index == 19 - *other));
    }

    #[test]
    fn every_process_finds_the_same() {
        let table = Table::new(equals(0..5));
        let found: Vec<_> = (0..10).filter_map(|key| table.at(key, 0)).collect();
        assert_eq!(found, [3, 1, 0, 1, 4, 3, 0, 3, 2, 4]);
        let six: SocketAddr = "[2001:db8::1]:80".parse().unwrap();
        let names = (13_426_846_161_335_331_829, 13_543_553_009_236_231_316);
        assert_eq!((name(address(1)), name(six)), names);
    }

    proptest! {
        #[test]
        fn while_one_is_away_only_its_own_keys_move(number in 2_u8..30, away: usize, keys: [u64; 32]) {
            let (table, away) = (Table::new(equals(0..number)), away % usize::from(number));
            for key in keys {
                let (home, found) = (table.at(key, 0), table.find(key, |index| index != away));
                prop_assert_eq!(home == found, home != Some(away));
                // Only where the sixteen probes of a key all meet the one that is away is none found here.
                prop_assert!(found.is_some() || number < 4);
            }
        }
    }
}
