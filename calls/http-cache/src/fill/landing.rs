//! How a fetch ends: what is kept under its place, and what those who wait for it are told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::header::HeaderName;
use mamparo_cache::EntryOptions;
use mamparo_context::Moment;

use super::Inside;
use crate::counts::add;
use crate::entry::{Entry, Place, PlaceRef, Stored};
use crate::flights::{FlightKey, lead};
use crate::waiter::Landed;

/// What a fetch came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// An answer that is kept, and by which headers it varies.
    Stored(Arc<Stored>, Vec<HeaderName>),
    /// An answer that is not kept; until then, requests do not wait for each other.
    Uncacheable(Moment),
    /// An error; until then, it is left alone.
    Failed(Moment),
    /// What was kept is of no use any more.
    Forgotten,
    /// Nothing: it was dropped.
    Aborted,
}

impl Inside {
    /// Ends the fetch, once.
    pub(super) fn land(&mut self, outcome: Outcome) {
        let Some(seat) = self.seat.take() else { return };
        let cache = Arc::clone(&self.cache);
        let counters = &cache.counters;
        add(match &outcome {
            Outcome::Stored(..) => &counters.stored,
            Outcome::Uncacheable(_) | Outcome::Forgotten => &counters.unstorable,
            Outcome::Failed(_) => &counters.failed,
            Outcome::Aborted => &counters.aborted,
        });
        let mut table = cache.flights.of(&seat.key.place.address);
        let is_current = table.land(&seat.key, seat.id);
        let landed = match outcome {
            Outcome::Stored(stored, names) => self.keep(&seat.key.place, stored, &names, is_current),
            Outcome::Uncacheable(until) => {
                if is_current {
                    self.mark(&seat.key.place, until, true);
                }
                Landed::Alone
            }
            Outcome::Failed(until) => {
                if is_current {
                    self.mark(&seat.key.place, until, false);
                }
                Landed::Alone
            }
            Outcome::Forgotten => {
                if is_current {
                    cache.store.invalidate(&seat.key.place);
                }
                Landed::Look
            }
            Outcome::Aborted => Landed::Look,
        };
        drop(table);
        seat.flight.land(landed);
        self.release();
    }

    /// Keeps an answer, unless what it is of was purged meanwhile; who waited since before that gets it all the same, if
    /// it is the same for all: what told the variants apart was purged, too.
    fn keep(&mut self, place: &Place, stored: Arc<Stored>, names: &[HeaderName], is_current: bool) -> Landed {
        if !is_current {
            add(&self.cache.counters.overtaken);
            return if names.is_empty() { Landed::Stored(place.clone(), stored) } else { Landed::Look };
        }
        let Some(place) = self.cache.place(&place.address, &self.errand.request, names) else {
            return Landed::Alone;
        };
        let options = EntryOptions { tags: stored.tags.clone(), ..EntryOptions::default() };
        if let Some(reading) = self.reading.take() {
            reading.insert_with(place.clone(), Entry::Answer(Arc::clone(&stored)), &options);
        }
        Landed::Stored(place, stored)
    }

    /// Notes that what comes from there is not kept. What was asked for on somebody's behalf says nothing of that.
    fn mark(&self, place: &Place, until: Moment, replaces: bool) {
        if let Some(kept) = self.errand.kept.as_ref().filter(|_| !replaces) {
            return kept.be_quiet_until(until);
        }
        if self.errand.asked.authorized {
            return;
        }
        let at = PlaceRef { address: &place.address, variant: place.variant.as_deref() };
        let is_free = match self.cache.store.look(&at).and_then(|known| known.value) {
            Some(Entry::Varies(_)) => false,
            Some(Entry::Answer(_)) => replaces,
            Some(Entry::Uncacheable(known)) => known < until,
            None => true,
        };
        if is_free {
            self.cache.store.insert(place.clone(), Entry::Uncacheable(until));
        }
    }

    /// The answer varies by `names`: the fetch moves to the place that it is of. Who waits at the old one looks again, and
    /// waits here if it wants the same. Says whether there is such a place.
    pub(super) fn move_to(&mut self, names: &[HeaderName]) -> bool {
        let Some(mut seat) = self.seat.take() else { return false };
        let mut table = self.cache.flights.of(&seat.key.place.address);
        if !table.holds(&seat.key, seat.id) {
            // It is overtaken, and stays where it is.
            drop(table);
            self.seat = Some(seat);
            return true;
        }
        let place = self.cache.place(&seat.key.place.address, &self.errand.request, names);
        let old = match &place {
            Some(place) if *place != seat.key.place => {
                _ = table.land(&seat.key, seat.id);
                let alone = FlightKey { place: place.clone(), alone: self.cache.number() };
                let key = FlightKey { place: place.clone(), alone: 0 };
                let next = if seat.key.alone == 0 { lead(&mut table, key) } else { None };
                next.or_else(|| lead(&mut table, alone)).map(|next| std::mem::replace(&mut seat, next))
            }
            _ => None,
        };
        drop(table);
        if let Some(old) = old {
            old.flight.land(Landed::Look);
        }
        self.seat = Some(seat);
        place.is_some()
    }

    /// Gives back what it held while it was under way.
    fn release(&mut self) {
        self.reading = None;
        self.cache.fills.fetch_sub(1, Ordering::Relaxed);
        self.coming = None;
        self.cache.buffered.fetch_sub(std::mem::take(&mut self.buffered), Ordering::Relaxed);
    }
}
