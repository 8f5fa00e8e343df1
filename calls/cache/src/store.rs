//! Where values come from and go to: what a cache in front of it asks of a source.

use mamparo_context::Context;

use crate::cache::Loaded;
pub use crate::core::dirty::Change;
use crate::error::BoxError;

/// Reads values from their source.
pub trait Loader<K, V>: Send + Sync + 'static {
    /// Why it could not.
    type Error: Into<BoxError>;

    /// The value of `key`, or that there is none.
    fn load(&self, cx: &Context, key: &K) -> impl Future<Output = Result<Loaded<V>, Self::Error>> + Send;
}

/// Writes values to their source.
pub trait Store<K, V>: Send + Sync + 'static {
    /// Why it could not.
    type Error: Into<BoxError>;

    /// Writes `changes`, which are of different keys. The same may be asked again when nobody knows whether it was
    /// done. What was asked for may be done late, after something newer: a store that keeps the version beside the
    /// value and refuses to go back is safe from that, too.
    fn write(
        &self,
        cx: &Context,
        changes: &[Change<K, V>],
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

impl<K, V, T> Loader<K, V> for std::sync::Arc<T>
where
    K: Send + Sync,
    V: Send,
    T: Loader<K, V>,
{
    type Error = T::Error;

    fn load(&self, cx: &Context, key: &K) -> impl Future<Output = Result<Loaded<V>, Self::Error>> + Send {
        T::load(self, cx, key)
    }
}

impl<K, V, T> Store<K, V> for std::sync::Arc<T>
where
    K: Send + Sync,
    V: Send + Sync,
    T: Store<K, V>,
{
    type Error = T::Error;

    fn write(
        &self,
        cx: &Context,
        changes: &[Change<K, V>],
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        T::write(self, cx, changes)
    }
}
