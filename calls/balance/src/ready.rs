//! Who may be picked now, made ready for the algorithm: an immutable picture that picks read, and that is drawn anew when
//! something has changed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mamparo_context::{Moment, Random};

use crate::cohort::Cohort;
use crate::config::{Algorithm, BalanceConfig};
use crate::ewma::Fading;
use crate::limits::{REDRAWS, SLOW_START_STEPS};
use crate::lots::Lots;
use crate::maglev::{Table, hash};
use crate::rotation::Rotation;
use crate::select::{Reach, Seat, Selection, Shares, select, warmth};
use crate::state::Member;

/// Of two endpoints that were drawn the second is taken only if its load is below this share of that of the first. A light
/// endpoint is asked less often, so that its average has faded a little more and is a little lower, always: without this,
/// of equally fast endpoints the light ones would win every comparison, and get nearly twice what their weight says.
const CLEARLY_LESS: f32 = 15.0 / 16.0;

/// The load of an endpoint of which no latency is known yet but that has a request under way: nobody is sent after the
/// first before it is back, unless all others are like that too.
const UNKNOWN_LOAD: f32 = 1e18;

/// Who may be picked now.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) reach: Reach,
    pub(crate) epoch: u64,
    /// When time alone changes who may be picked.
    pub(crate) until: Moment,
    slots: Box<[Slot]>,
    chooser: Chooser,
    may: Box<[May]>,
    /// While some keys leave the own zone: the hash below which a key stays.
    stay: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Which member.
    index: usize,
    /// The mean weight over its own: what one more request weighs.
    scale: f32,
}

/// What may be done with a member.
#[derive(Clone, Copy, Debug)]
struct May {
    /// It is among the slots.
    be_picked: bool,
    /// It is available, if only in another zone.
    be_tried: bool,
    is_near: bool,
}

#[derive(Debug)]
enum Chooser {
    RoundRobin(Rotation),
    LeastRequest(Lots),
    PeakEwma(Lots),
    Random(Lots),
    Maglev(Arc<Table>, Lots),
}

/// What a pick goes by.
pub(crate) struct Wish<'a> {
    pub(crate) key: Option<u64>,
    pub(crate) tried: &'a [SocketAddr],
    pub(crate) now: Moment,
    pub(crate) random: &'a Random,
}

impl Ready {
    /// Who of `members` may be picked at `now`. `table` is there for consistent hashing.
    pub(crate) fn new(
        config: &BalanceConfig,
        members: &[Arc<Member>],
        table: Option<&Arc<Table>>,
        epoch: u64,
        now: Moment,
    ) -> Self {
        let seats: Vec<Seat> = members.iter().map(|member| seat(config, member, now)).collect();
        let zone_percent = config.zone.as_ref().map(|_| config.zone_percent);
        let shares = Shares { panic_percent: config.panic_percent, zone_percent };
        let Selection { reach, stay, weights } = select(&seats, shares);
        let (indexes, picked): (Vec<usize>, Vec<f64>) =
            weights.iter().copied().enumerate().filter(|(_, weight)| *weight > 0.0).unzip();
        let may = |(seat, weight): (&Seat, &f64)| {
            let be_picked = *weight > 0.0;
            let be_tried = be_picked || (seat.is_available && seat.weight > 0);
            May { be_picked, be_tried, is_near: seat.is_near }
        };
        Self {
            reach,
            epoch,
            until: until(config, members, &seats, now),
            slots: slots(&indexes, &picked),
            chooser: chooser(config.algorithm, &picked, table),
            may: seats.iter().zip(&weights).map(may).collect(),
            stay: (reach == Reach::Spill).then_some(share_of_all(stay)),
        }
    }

    /// Which member takes a request; `None` when none may. One that was tried already takes it only if there is no other.
    #[inline]
    pub(crate) fn choose(&self, members: &[Arc<Member>], cohort: &Cohort, wish: &Wish<'_>) -> Option<usize> {
        if wish.tried.is_empty() || self.slots.is_empty() {
            return self.draw(members, cohort, wish, 0);
        }
        self.choose_another(members, cohort, wish)
    }

    #[cold]
    fn choose_another(&self, members: &[Arc<Member>], cohort: &Cohort, wish: &Wish<'_>) -> Option<usize> {
        let is_fresh = |index: &usize| {
            members.get(*index).is_some_and(|member| !wish.tried.contains(&member.endpoint.address))
        };
        for draw in 0..REDRAWS {
            let drawn = self.draw(members, cohort, wish, draw).filter(is_fresh);
            if drawn.is_some() {
                return drawn;
            }
        }
        // Also those of another zone: a repeat had better go far away than to the same one.
        let start = usize::try_from(self.salt(wish) % members.len().max(1) as u64).unwrap_or(0);
        let can = |be: fn(May) -> bool| {
            let round = (start..members.len()).chain(0..start);
            round
                .into_iter()
                .find(|index| self.may.get(*index).is_some_and(|may| be(*may)) && is_fresh(index))
        };
        can(|may| may.be_picked)
            .or_else(|| can(|may| may.be_tried))
            .or_else(|| self.draw(members, cohort, wish, 0))
    }

    /// A number that is the same for the same key, and any without one.
    fn salt(&self, wish: &Wish<'_>) -> u64 {
        match (wish.key, &self.chooser) {
            (Some(key), Chooser::Maglev(..)) => hash(key, u64::MAX),
            _ => wish.random.next_u64(),
        }
    }

    #[inline]
    fn draw(&self, members: &[Arc<Member>], cohort: &Cohort, wish: &Wish<'_>, again: u64) -> Option<usize> {
        if self.slots.len() < 2 {
            return self.slots.first().map(|slot| slot.index);
        }
        let random = || wish.random.next_u64();
        let slot = match &self.chooser {
            Chooser::RoundRobin(rotation) => rotation.turn(cohort.turns.next()),
            Chooser::Random(lots) => lots.one(random()),
            Chooser::LeastRequest(lots) => self.better(lots.two(random()), |slot| {
                members.get(slot.index).map(|member| waiting(member) * slot.scale)
            }),
            Chooser::PeakEwma(lots) => self.better(lots.two(random()), |slot| {
                members.get(slot.index).map(|member| load(member, slot.scale, member.rules.fading, wish.now))
            }),
            Chooser::Maglev(table, lots) => match wish.key {
                Some(key) => return self.belongs(table, key, again),
                None => lots.one(random()),
            },
        };
        self.slots.get(slot).map(|slot| slot.index)
    }

    /// The one of two slots that has the lower load; the first unless the second's is clearly lower.
    #[inline]
    fn better(&self, (a, b): (usize, usize), load: impl Fn(Slot) -> Option<f32>) -> usize {
        let of = |slot: usize| self.slots.get(slot).copied().and_then(&load).unwrap_or(f32::INFINITY);
        if a != b && of(b) < of(a) * CLEARLY_LESS { b } else { a }
    }

    /// Where a key goes, or where it goes when that has been tried.
    fn belongs(&self, table: &Table, key: u64, again: u64) -> Option<usize> {
        let stays = self.stay.map(|bound| hash(key, u64::MAX - 1) <= bound);
        let key = if again == 0 { key } else { hash(key, again.wrapping_neg()) };
        let may = |index: usize| {
            let is_right = |may: &May| may.be_picked && stays.is_none_or(|stays| stays == may.is_near);
            self.may.get(index).is_some_and(is_right)
        };
        let any = || {
            let slot = usize::try_from(hash(key, u64::MAX) % self.slots.len().max(1) as u64).unwrap_or(0);
            self.slots.get(slot).map(|slot| slot.index)
        };
        table.find(key, may).or_else(any)
    }
}

/// The requests under way.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "a load need not be known to more than seven digits")]
fn waiting(member: &Member) -> f32 {
    member.state.in_flight.load(Ordering::Relaxed) as f32
}

/// How long a request would take: the latency times those that are before it, and itself.
#[inline]
fn load(member: &Member, scale: f32, fading: Fading, now: Moment) -> f32 {
    let waiting = waiting(member) * scale;
    match member.state.average.load().at(fading, now) {
        Some(nanos) => nanos * (1.0 + waiting),
        None if waiting == 0.0 => 0.0,
        None => UNKNOWN_LOAD * (1.0 + waiting),
    }
}

fn seat(config: &BalanceConfig, member: &Member, now: Moment) -> Seat {
    let warm = |window| warmth(member.state.warming_since(), window, now);
    let is_near = config.zone.is_some() && config.zone == member.endpoint.zone;
    Seat {
        weight: member.endpoint.weight,
        is_near,
        is_available: member.state.is_available(now),
        warmth: config.slow_start.map_or(1.0, warm),
    }
}

/// When an ejection ends, or the next step of a slow start.
fn until(config: &BalanceConfig, members: &[Arc<Member>], seats: &[Seat], now: Moment) -> Moment {
    let ends = members.iter().map(|member| member.state.ejected_until()).filter(|end| *end > now);
    let is_warming = seats.iter().any(|seat| seat.is_available && seat.warmth < 1.0);
    let step = config.slow_start.filter(|_| is_warming).map(|window| now + window / SLOW_START_STEPS);
    ends.chain(step).min().unwrap_or(Moment::NEVER)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a factor of a load")]
fn slots(indexes: &[usize], weights: &[f64]) -> Box<[Slot]> {
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    let slot = |(index, weight): (&usize, &f64)| Slot { index: *index, scale: (mean / weight) as f32 };
    indexes.iter().zip(weights).map(slot).collect()
}

/// The number below which such a share of all numbers lies.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a share, of which few digits matter"
)]
fn share_of_all(share: f64) -> u64 {
    (share * u64::MAX as f64) as u64
}

fn chooser(algorithm: Algorithm, weights: &[f64], table: Option<&Arc<Table>>) -> Chooser {
    match (algorithm, table) {
        (Algorithm::RoundRobin, _) => Chooser::RoundRobin(Rotation::new(weights)),
        (Algorithm::LeastRequest, _) => Chooser::LeastRequest(Lots::new(weights)),
        (Algorithm::P2c, _) => Chooser::PeakEwma(Lots::new(weights)),
        (Algorithm::Maglev, Some(table)) => Chooser::Maglev(Arc::clone(table), Lots::new(weights)),
        (Algorithm::Maglev, None) | (Algorithm::Random, _) => Chooser::Random(Lots::new(weights)),
    }
}
