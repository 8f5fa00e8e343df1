//! Locks: those of the standard library, or those of the checker that tries every interleaving.

#[cfg(not(feature = "shuttle"))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(feature = "shuttle")]
pub(crate) use shuttle::sync::{Mutex, MutexGuard};

/// Locks, also where another thread panicked while it held the lock: no code of a user runs under these locks except
/// the hashing, comparing and dropping of keys and values, and what is guarded is never half written.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
