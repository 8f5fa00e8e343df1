//! Who may be picked, and with which weight: health, ejections, zones, slow start and panic in one pure function.

use std::time::Duration;

use mamparo_context::Moment;
use serde::Serialize;

use crate::limits::SLOW_START_LEAST;

/// What is known of an endpoint when it is decided who may be picked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seat {
    pub(crate) weight: u32,
    /// Whether it stands in the own zone.
    pub(crate) is_near: bool,
    /// Whether it is neither unhealthy nor ejected.
    pub(crate) is_available: bool,
    /// The share of its weight that it has in its slow start.
    pub(crate) warmth: f64,
}

/// How far a balancer reaches for endpoints.
///
/// ```
/// use mamparo_balance::{BalanceConfig, Balancer, Endpoint, Reach};
/// use mamparo_context::Moment;
///
/// let config = BalanceConfig { zone: Some("a".into()), ..BalanceConfig::default() };
/// let endpoints = vec![
///     Endpoint::new("10.0.0.7:80".parse()?).zone("a"),
///     Endpoint::new("10.0.1.7:80".parse()?).zone("b"),
/// ];
/// let balancer = Balancer::new(config, endpoints, Moment::ZERO)?;
/// assert_eq!(balancer.describe(Moment::ZERO).reach, Reach::Zone);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// All that are available.
    Available,
    /// Those that are available in the own zone.
    Zone,
    /// Those that are available in the own zone, and for a part of the requests those elsewhere, because too few are.
    Spill,
    /// All, available or not, because too few are available.
    Panic,
}

/// From which share on, both in percent, so many available endpoints are enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shares {
    pub(crate) panic_percent: f64,
    /// `None` without an own zone.
    pub(crate) zone_percent: Option<f64>,
}

/// Who may be picked: a weight for each seat, 0 for those that may not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selection {
    pub(crate) reach: Reach,
    /// The share of the requests that stays in the own zone; 1 without a zone.
    pub(crate) stay: f64,
    pub(crate) weights: Vec<f64>,
}

/// Decides who may be picked. Panic is Envoy's: below a share of available endpoints all are used
/// (<https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold>). So is that
/// requests leave a zone by degrees: of a zone in which a share `s` is available, and `z` would be enough, `s / z` of the
/// requests stay.
pub(crate) fn select(seats: &[Seat], shares: Shares) -> Selection {
    let total = count(seats, |_| true);
    let available = count(seats, |seat| seat.is_available);
    if available * 100.0 < shares.panic_percent * total {
        let weights = seats.iter().map(|seat| f64::from(seat.weight)).collect();
        return Selection { reach: Reach::Panic, stay: 1.0, weights };
    }
    let Some(zone_percent) = shares.zone_percent else { return every(seats) };
    let near = count(seats, |seat| seat.is_near);
    let near_available = count(seats, |seat| seat.is_near && seat.is_available);
    if near_available == 0.0 {
        return every(seats);
    }
    let stay = (near_available * 100.0 / (near * zone_percent)).min(1.0);
    let is_far_available = near_available < available;
    if stay >= 1.0 || !is_far_available {
        let weights = seats.iter().map(|seat| if seat.is_near { own(seat) } else { 0.0 }).collect();
        return Selection { reach: Reach::Zone, stay: 1.0, weights };
    }
    let sum = |is_near| -> f64 { seats.iter().filter(|seat| seat.is_near == is_near).map(own).sum() };
    let far_factor = (1.0 - stay) / stay * sum(true) / sum(false);
    let weigh = |seat| if is_near(seat) { own(seat) } else { own(seat) * far_factor };
    Selection { reach: Reach::Spill, stay, weights: seats.iter().map(weigh).collect() }
}

/// The share of its weight that an endpoint has at `now` which began its slow start at `began`, in a straight line like
/// Envoy's (<https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/slow_start>). What
/// began at [`Moment::ZERO`] was there before anything else, and has none.
pub(crate) fn warmth(began: Moment, window: Duration, now: Moment) -> f64 {
    if began == Moment::ZERO {
        return 1.0;
    }
    let share = now.since(began).as_secs_f64() / window.as_secs_f64();
    if share >= 1.0 { 1.0 } else { share.max(SLOW_START_LEAST) }
}

fn every(seats: &[Seat]) -> Selection {
    Selection { reach: Reach::Available, stay: 1.0, weights: seats.iter().map(own).collect() }
}

fn is_near(seat: &Seat) -> bool {
    seat.is_near
}

fn own(seat: &Seat) -> f64 {
    if seat.is_available { f64::from(seat.weight) * seat.warmth } else { 0.0 }
}

/// How many of those that take anything at all.
fn count(seats: &[Seat], which: impl Fn(&Seat) -> bool) -> f64 {
    let counted = seats.iter().filter(|seat| seat.weight > 0 && which(seat)).count();
    f64::from(u32::try_from(counted).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seat(is_near: bool, is_available: bool) -> Seat {
        Seat { weight: 1, is_near, is_available, warmth: 1.0 }
    }

    /// `N`ear and `F`ar endpoints that are available, in lower case those that are not.
    fn choose(seats: &str, panic_percent: f64) -> (Reach, Vec<f64>) {
        let seats: Vec<Seat> =
            seats.chars().map(|c| seat(c.eq_ignore_ascii_case(&'n'), c.is_ascii_uppercase())).collect();
        let Selection { reach, weights, .. } =
            select(&seats, Shares { panic_percent, zone_percent: Some(75.0) });
        (reach, weights)
    }

    #[test]
    fn requests_stay_in_the_zone_as_far_as_it_can_take_them() {
        for (seats, reach, weights) in [
            ("NNNNFF", Reach::Zone, vec![1.0, 1.0, 1.0, 1.0, 0.0, 0.0]),
            ("NNNnFF", Reach::Zone, vec![1.0, 1.0, 1.0, 0.0, 0.0, 0.0]),
            // Half are available where three quarters are enough: two thirds stay.
            ("NNnnFFFF", Reach::Spill, vec![1.0, 1.0, 0.0, 0.0, 0.25, 0.25, 0.25, 0.25]),
            ("nnnnFF", Reach::Available, vec![0.0, 0.0, 0.0, 0.0, 1.0, 1.0]),
            ("Nnff", Reach::Zone, vec![1.0, 0.0, 0.0, 0.0]),
            ("FF", Reach::Available, vec![1.0, 1.0]),
            ("", Reach::Available, vec![]),
        ] {
            let (chosen, got) = choose(seats, 0.0);
            assert_eq!(chosen, reach, "{seats}");
            let are_close = got.iter().zip(&weights).all(|(got, weight)| (got - weight).abs() < 1e-9);
            assert!(are_close && got.len() == weights.len(), "{seats}: {got:?}");
        }
    }

    #[test]
    fn below_the_threshold_all_are_used_and_at_it_not_yet() {
        assert_eq!(choose("FFff", 50.0).0, Reach::Available);
        assert_eq!(choose("Ffff", 50.0), (Reach::Panic, vec![1.0; 4]));
        assert_eq!(choose("ffff", 1.0), (Reach::Panic, vec![1.0; 4]));
        assert_eq!(choose("ffff", 0.0), (Reach::Available, vec![0.0; 4]));
        assert_eq!(choose("Ff", 100.0).0, Reach::Panic);
    }

    #[test]
    fn a_slow_start_rises_in_a_straight_line_from_a_tenth() {
        let began = Moment::ZERO + Duration::from_secs(100);
        for (seconds, share) in
            [(0, 0.1), (90, 0.1), (101, 0.1), (105, 0.25), (119, 0.95), (120, 1.0), (999, 1.0)]
        {
            let now = Moment::ZERO + Duration::from_secs(seconds);
            assert_eq!(warmth(began, Duration::from_secs(20), now), share, "{seconds}");
        }
        assert_eq!(warmth(Moment::ZERO, Duration::from_secs(20), Moment::ZERO), 1.0);
    }

    fn seats() -> impl Strategy<Value = Vec<Seat>> {
        let seat = (0_u32..5, any::<bool>(), any::<bool>(), 0.1..1.0_f64);
        let seat = seat.prop_map(|(weight, is_near, is_available, warmth)| Seat {
            weight,
            is_near,
            is_available,
            warmth,
        });
        prop::collection::vec(seat, 0..12)
    }

    proptest! {
        #[test]
        fn somebody_is_picked_whenever_somebody_is_available(
            seats in seats(),
            panic_percent in 0.0..100.0_f64,
            zone_percent in prop::option::of(1.0..100.0_f64),
        ) {
            let Selection { reach, weights, .. } = select(&seats, Shares { panic_percent, zone_percent });
            prop_assert_eq!(weights.len(), seats.len());
            prop_assert!(weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0));
            let can = |seat: &Seat| seat.weight > 0 && (seat.is_available || reach == Reach::Panic);
            prop_assert!(seats.iter().zip(&weights).all(|(seat, weight)| *weight == 0.0 || can(seat)));
            let total: f64 = weights.iter().sum();
            prop_assert_eq!(total > 0.0, seats.iter().any(can), "{:?}", reach);
        }
    }
}
