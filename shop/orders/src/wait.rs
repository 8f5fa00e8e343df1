//! Who waits for an order to be final, and how they are told: each wakes for its own order, and nobody polls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::limits::WAITING_MAX;

/// Those who wait. Cheap to clone; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Waiters(Arc<Mutex<HashMap<String, watch::Sender<u64>>>>);

/// One who waits; it stops waiting when it is dropped.
pub(crate) struct Waiter {
    waiters: Waiters,
    order: String,
    told: watch::Receiver<u64>,
}

impl Waiters {
    /// Begins to wait for an order; `None` when too many wait already. To be called before the order is looked at,
    /// so that an end between the look and the waiting is not missed.
    pub(crate) fn join(&self, order: &str) -> Option<Waiter> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING_MAX && !waiting.contains_key(order) {
            return None;
        }
        let told = waiting.entry(order.to_owned()).or_insert_with(|| watch::Sender::new(0)).subscribe();
        Some(Waiter { waiters: self.clone(), order: order.to_owned(), told })
    }

    /// Tells whoever waits for `order` that it is final, by the event at `position`.
    pub(crate) fn tell(&self, order: &str, position: u64) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(teller) = waiting.get(order) {
            teller.send_replace(position);
        }
    }
}

impl Waiter {
    /// The position of the event that made the order final; `None` when it is not final in time. Cancel safe.
    pub(crate) async fn wait(&mut self, at_most: Duration) -> Option<u64> {
        let told = self.told.wait_for(|position| *position > 0);
        tokio::time::timeout(at_most, told).await.ok()?.ok().map(|position| *position)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = self.waiters.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.get(&self.order).is_some_and(|teller| teller.receiver_count() <= 1) {
            waiting.remove(&self.order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_is_told_of_its_own_order_and_forgotten_afterwards() {
        let waiters = Waiters::default();
        let (mut a, mut also_a, mut b) =
            (waiters.join("a").unwrap(), waiters.join("a").unwrap(), waiters.join("b").unwrap());
        waiters.tell("a", 7);
        waiters.tell("c", 8);
        assert_eq!(a.wait(Duration::from_secs(5)).await, Some(7));
        assert_eq!(also_a.wait(Duration::from_secs(5)).await, Some(7));
        assert_eq!(b.wait(Duration::ZERO).await, None);
        drop((a, b));
        assert_eq!(waiters.0.lock().unwrap().len(), 1);
        drop(also_a);
        assert!(waiters.0.lock().unwrap().is_empty());
    }
}
