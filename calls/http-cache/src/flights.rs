//! Who fetches and who waits, by address: a few tables, each under a lock of its own. Everything of one address, its
//! variants too, is in one table, so that a purge of the address is one lock.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mamparo_cache::core::flights::{FlightId, Flights, Joined};
use mamparo_cache::flight::{Flight, TooManyWait, Waiter};

use crate::entry::Place;
use crate::waiter::Landed;

/// Tables of fetches.
const TABLES: usize = 16;

/// One fetch: of a place, by all who want it, or by one alone, which then has a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FlightKey {
    pub(crate) place: Place,
    pub(crate) alone: u64,
}

/// The fetches of some addresses.
pub(crate) type Table = Flights<FlightKey, Arc<Flight<Landed>>, RandomState>;

/// A fetch, as its leader holds it.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) key: FlightKey,
    pub(crate) id: FlightId,
    pub(crate) flight: Arc<Flight<Landed>>,
}

/// How a request takes part.
#[derive(Debug)]
pub(crate) enum Part {
    Leads(Seat),
    Waits(Waiter<Landed>),
}

pub(crate) struct Tables {
    tables: Box<[Mutex<Table>]>,
    hasher: RandomState,
}

impl Tables {
    pub(crate) fn new() -> Self {
        let table = || Mutex::new(Flights::new(RandomState::new()));
        Self { tables: (0..TABLES).map(|_| table()).collect(), hasher: RandomState::new() }
    }

    /// The table of an address. What is locked is never half written: a panic elsewhere does not matter.
    pub(crate) fn of(&self, address: &str) -> MutexGuard<'_, Table> {
        let at = self.hasher.hash_one(address) as usize % TABLES;
        self.tables[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every table, one after the other.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, Table>> {
        self.tables.iter().map(|table| table.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Leads the fetch of `key`, or waits for who does.
pub(crate) fn join(table: &mut Table, key: FlightKey) -> Result<Part, TooManyWait> {
    let (mut launched, mut too_many) = (None, false);
    let wait = |flight: &Arc<Flight<Landed>>| match flight.join() {
        Ok(waiter) => waiter.map(Some),
        Err(TooManyWait) => {
            too_many = true;
            Some(None)
        }
    };
    let joined = table.join(key.clone(), wait, || {
        let flight = Flight::unattended();
        launched = Some(Arc::clone(&flight));
        (flight, None)
    });
    match (joined, launched) {
        (Joined::Leads(id, _), Some(flight)) => Ok(Part::Leads(Seat { key, id, flight })),
        (Joined::Follows(Some(waiter)), _) => Ok(Part::Waits(waiter)),
        _ => Err(TooManyWait),
    }
}

/// Leads the fetch of `key`, unless somebody does.
pub(crate) fn lead(table: &mut Table, key: FlightKey) -> Option<Seat> {
    let flight = Flight::unattended();
    match table.join(key.clone(), |_| Some(()), || (Arc::clone(&flight), ())) {
        Joined::Leads(id, ()) => Some(Seat { key, id, flight }),
        Joined::Follows(()) => None,
    }
}
