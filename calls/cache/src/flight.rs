//! One load on its way, and those who wait for it: each is woken once, and whoever is dropped leaves nothing behind.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};

use crate::limits::WAITERS_MAX;
use crate::sync::{Mutex, lock};

/// A load on its way to a result `T`, which everybody who waits gets a clone of. Who flies it is free in how: the cache
/// does so for its own loads, and a caller that loads in a way of its own may, with
/// [`Flights`](crate::core::flights::Flights) as the table of those that are under way.
#[derive(Debug)]
pub struct Flight<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    landed: Option<T>,
    /// Who waits, and the places that others have left.
    waiters: Vec<Option<Waker>>,
    free: Vec<usize>,
    waiting: usize,
    /// Nobody waits, and nobody may wait any more.
    is_abandoned: bool,
    /// Who flies, if the flight ends with its last waiter.
    pilot: Option<Waker>,
}

impl<T: Clone> Flight<T> {
    /// A flight with its first waiter.
    pub fn launch() -> (Arc<Self>, Waiter<T>) {
        let flight = Self::unattended();
        let waiter = Waiter { flight: Arc::clone(&flight), place: 0, is_waiting: true };
        let mut state = lock(&flight.state);
        state.waiters.push(None);
        state.waiting = 1;
        drop(state);
        (flight, waiter)
    }

    /// A flight that nobody waits for, and that nobody needs to wait for.
    pub fn unattended() -> Arc<Self> {
        let state = State {
            landed: None,
            waiters: Vec::new(),
            free: Vec::new(),
            waiting: 0,
            is_abandoned: false,
            pilot: None,
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Another waiter; `Ok(None)` if the flight has been abandoned.
    ///
    /// # Errors
    /// As many wait already as may.
    pub fn join(self: &Arc<Self>) -> Result<Option<Waiter<T>>, TooManyWait> {
        let mut state = lock(&self.state);
        if state.is_abandoned {
            return Ok(None);
        }
        if state.waiting >= WAITERS_MAX {
            return Err(TooManyWait);
        }
        state.waiting += 1;
        let place = state.free.pop().unwrap_or_else(|| {
            state.waiters.push(None);
            state.waiters.len() - 1
        });
        drop(state);
        Ok(Some(Waiter { flight: Arc::clone(self), place, is_waiting: true }))
    }

    /// The flight has ended: everybody who waits is woken, once.
    pub fn land(&self, result: T) {
        let mut state = lock(&self.state);
        state.landed = Some(result);
        let waiters = std::mem::take(&mut state.waiters);
        drop(state);
        waiters.into_iter().flatten().for_each(Waker::wake);
    }

    /// Whether everybody has gone; if not, `task` is woken when they have. From then on nobody joins.
    pub fn poll_abandoned(&self, task: &mut Task<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.waiting == 0 {
            state.is_abandoned = true;
            return Poll::Ready(());
        }
        state.pilot = Some(task.waker().clone());
        Poll::Pending
    }
}

/// As many wait for one flight as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many wait for the same load")]
pub struct TooManyWait;

/// Waits for a flight to land. Dropped, it waits no more.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Waiter<T> {
    flight: Arc<Flight<T>>,
    place: usize,
    is_waiting: bool,
}

impl<T: Clone> Future for Waiter<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<T> {
        let flight = Arc::clone(&self.flight);
        let mut state = lock(&flight.state);
        if let Some(landed) = &state.landed {
            let landed = landed.clone();
            state.waiting -= usize::from(self.is_waiting);
            self.is_waiting = false;
            return Poll::Ready(landed);
        }
        let place = &mut state.waiters[self.place];
        let is_known = place.as_ref().is_some_and(|own| own.will_wake(task.waker()));
        let old = if is_known { None } else { place.replace(task.waker().clone()) };
        // A waker may own what holds a waiter of this flight: it is dropped without the lock.
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl<T> Drop for Waiter<T> {
    fn drop(&mut self) {
        if !self.is_waiting {
            return;
        }
        let mut state = lock(&self.flight.state);
        state.waiting -= 1;
        let mut own = None;
        if state.landed.is_none() {
            own = state.waiters[self.place].take();
            state.free.push(self.place);
        }
        let pilot = if state.waiting == 0 { state.pilot.take() } else { None };
        drop(state);
        drop(own);
        if let Some(pilot) = pilot {
            pilot.wake();
        }
    }
}

#[cfg(test)]
mod tests;
