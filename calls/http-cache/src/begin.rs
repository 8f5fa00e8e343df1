//! What becomes of a request: it is answered, forwarded to be kept, waits for another, or is passed by.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::When;
use crate::bypass::Bypass;
use crate::cache::{Answer, HttpCache, Inner};
use crate::core::freshness::Use;
use crate::core::request::{Asked, Reason, RequestHead};
use crate::core::status::{Done, Forward};
use crate::counts::add;
use crate::entry::{Entry, Place, Stored};
use crate::fill::{Errand, Fill};
use crate::flights::{FlightKey, Part, Seat, Table, join, lead};
use crate::limits::{FILLS_MAX, WAITS_MAX};
use crate::waiter::{Landed, Waited, Waiter};

/// What is to be done with a request.
#[derive(Debug)]
pub enum Begin {
    /// This is the answer, and it is fresh.
    Hit(Answer),
    /// This is the answer. It is stale, and good enough: it is fetched already, its service failed a moment ago, or the
    /// request says that it takes it.
    Stale(Answer),
    /// This is the answer, and it is stale: a request of the same address, a GET without a body, is forwarded behind.
    StaleServe {
        /// What the client gets.
        answer: Answer,
        /// Of what is fetched; nobody waits for it.
        revalidate: Fill,
    },
    /// It is forwarded, and what comes back may be kept.
    Miss(Fill),
    /// Another request fetches the same: wait, and begin again with what the waiter has learned. A client that goes
    /// drops the waiter; who has waited for [`HttpCache::wait`] drops it too, and begins again with
    /// [`Waited::too_long`].
    Wait(Waiter),
    /// It is forwarded as it is.
    Bypass(Bypass),
    /// It takes only what is kept, and there is nothing: 504 (RFC 9111, 5.2.1.7).
    OnlyIfCached,
}

/// A request, as far as it was looked at.
struct Request<'a> {
    head: &'a RequestHead<'a>,
    asked: Asked,
    address: String,
    when: When,
    waited: Waited,
}

/// What is kept is good for this.
enum Decision {
    Serve(Arc<Stored>, Use),
    Fetch { forward: Forward, kept: Option<Arc<Stored>>, alone: bool },
}

impl HttpCache {
    /// A request begins, or begins again after it has waited.
    ///
    /// A hit costs two clones of headers and no lock but those of the store; whatever is forwarded costs a lock of a
    /// part of the addresses, held for a few look-ups.
    pub fn begin(&self, head: &RequestHead<'_>, when: When, waited: Waited) -> Begin {
        let inner = &self.inner;
        let pass = |reason| {
            let forward = if reason == Reason::Method { Forward::Method } else { Forward::Bypass };
            Begin::Bypass(Bypass::new(inner, head, reason, forward))
        };
        let asked = match Asked::read(head, inner.rules.obeys_requests) {
            Ok(asked) => asked,
            Err(reason) => return pass(reason),
        };
        let Some(address) = inner.address(head) else { return pass(Reason::Address) };
        let request = Request { head, asked, address, when, waited };
        match inner.decide(&request) {
            None => pass(Reason::Address),
            Some((_, Decision::Serve(stored, good_for))) if good_for != Use::Behind => {
                good_for.begin(inner.answer(&request, &stored, good_for))
            }
            Some(_) => inner.take_part(request).unwrap_or_else(pass),
        }
    }
}

impl Inner {
    /// What is to be done with a request, by what is kept; and the variant that it wants. `None` if its headers are more
    /// than is looked at.
    fn decide(&self, request: &Request<'_>) -> Option<(Option<Vec<u8>>, Decision)> {
        let (asked, now) = (&request.asked, request.when.now);
        let found = self.find(&request.address, request.head.headers, now)?;
        let has_waited = request.waited.times >= WAITS_MAX
            || request.waited.gave_up
            || matches!(request.waited.landed, Some(Landed::Alone));
        let alone = has_waited || asked.wishes.no_cache;
        let entry = found.entry.or_else(|| request.waited.entry(&request.address, found.variant.as_deref()));
        let decision = match entry {
            Some(Entry::Answer(kept)) => match kept.times.judge(&asked.wishes, now, kept.quiet_until()) {
                Use::Ask => {
                    let forward = if kept.times.is_fresh(now) { Forward::Request } else { Forward::Stale };
                    let alone = alone || !kept.times.is_shared() || now < kept.quiet_until();
                    Decision::Fetch { forward, kept: Some(kept), alone }
                }
                good_for => Decision::Serve(kept, good_for),
            },
            other => {
                let is_for_one = matches!(other, Some(Entry::Uncacheable(until)) if now < until);
                // What was asked for on somebody's behalf is seldom for others: nobody waits for it.
                let alone = alone || is_for_one || asked.authorized;
                let is_other_variant = found.is_known && found.variant.is_some() && other.is_none();
                let forward = if is_other_variant { Forward::VaryMiss } else { Forward::UriMiss };
                Decision::Fetch { forward, kept: None, alone }
            }
        };
        Some((found.variant, decision))
    }

    /// Under the lock of its address, a request is decided upon once more, for another may have landed in between; then
    /// it fetches, or waits for who does.
    fn take_part(self: &Arc<Self>, request: Request<'_>) -> Result<Begin, Reason> {
        let address: Arc<str> = Arc::from(&*request.address);
        let mut table = self.flights.of(&address);
        let Some((variant, decision)) = self.decide(&request) else { return Err(Reason::Address) };
        let place = Place { address, variant: variant.map(Arc::from) };
        match decision {
            Decision::Serve(stored, good_for) => {
                let wants = good_for == Use::Behind && !request.asked.is_head && self.has_room();
                let key = FlightKey { place, alone: 0 };
                let seat = if wants { lead(&mut table, key) } else { None };
                drop(table);
                let answer = self.answer(&request, &stored, good_for);
                Ok(match seat {
                    Some(seat) => {
                        add(&self.counters.refreshes);
                        let fill = self.fill(&request, seat, Forward::Stale, Some(stored), true);
                        Begin::StaleServe { answer, revalidate: fill }
                    }
                    None => good_for.begin(answer),
                })
            }
            Decision::Fetch { forward, kept, alone } => {
                self.fetch(table, &request, place, (forward, kept, alone))
            }
        }
    }

    fn fetch(
        self: &Arc<Self>,
        mut table: std::sync::MutexGuard<'_, Table>,
        request: &Request<'_>,
        place: Place,
        (forward, kept, alone): (Forward, Option<Arc<Stored>>, bool),
    ) -> Result<Begin, Reason> {
        if request.asked.wishes.only_if_cached {
            add(&self.counters.only_if_cached);
            return Ok(Begin::OnlyIfCached);
        }
        let by = |reason| Ok(Begin::Bypass(Bypass::new(self, request.head, reason, forward)));
        if request.asked.is_head {
            return by(Reason::Head);
        }
        if request.asked.is_range && kept.is_none() {
            return by(Reason::Range);
        }
        if !self.has_room() {
            return Err(Reason::Full);
        }
        let number = if alone { self.number() } else { 0 };
        let part = join(&mut table, FlightKey { place: place.clone(), alone: number });
        let part = part.or_else(|_| join(&mut table, FlightKey { place, alone: self.number() }));
        drop(table);
        match part {
            Ok(Part::Leads(seat)) => {
                add(&self.counters.misses);
                Ok(Begin::Miss(self.fill(request, seat, forward, kept, false)))
            }
            Ok(Part::Waits(waiter)) => {
                add(&self.counters.waits);
                Ok(Begin::Wait(Waiter::new(waiter, &request.waited)))
            }
            Err(_) => Err(Reason::Full),
        }
    }

    fn has_room(&self) -> bool {
        self.fills.load(Ordering::Relaxed) < FILLS_MAX
    }

    fn fill(
        self: &Arc<Self>,
        request: &Request<'_>,
        seat: Seat,
        forward: Forward,
        kept: Option<Arc<Stored>>,
        is_behind: bool,
    ) -> Fill {
        let errand = Errand {
            request: request.head.headers.clone(),
            asked: request.asked.clone(),
            kept,
            began: request.when,
            forward,
            is_behind,
        };
        Fill::new(Arc::clone(self), seat, errand)
    }

    /// The answer to a request from what is kept.
    fn answer(&self, request: &Request<'_>, stored: &Stored, good_for: Use) -> Answer {
        let collapsed = request.waited.times > 0 && !request.waited.gave_up;
        add(if good_for == Use::Fresh { &self.counters.hits } else { &self.counters.stale });
        if collapsed {
            add(&self.counters.collapsed);
        }
        let now = request.when.now;
        let mut answer = stored.serve(&request.asked, request.head.headers, now);
        // Who waited has not found it: it was fetched for it, too (RFC 9211, 2.6).
        let forward = collapsed.then_some(Forward::UriMiss);
        let done = Done { forward, collapsed, ..Done::default() };
        self.say(done, answer.headers_mut(), Some((&stored.times, now)));
        answer
    }
}

impl Use {
    fn begin(self, answer: Answer) -> Begin {
        if self == Self::Fresh { Begin::Hit(answer) } else { Begin::Stale(answer) }
    }
}

impl Waited {
    /// What the fetch that was waited for came to, if it is what is wanted now.
    fn entry(&self, address: &str, variant: Option<&[u8]>) -> Option<Entry> {
        match &self.landed {
            Some(Landed::Stored(place, stored))
                if *place.address == *address && place.variant.as_deref() == variant =>
            {
                Some(Entry::Answer(Arc::clone(stored)))
            }
            _ => None,
        }
    }
}
