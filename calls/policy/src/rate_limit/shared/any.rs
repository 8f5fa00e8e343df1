//! A store of any kind behind one type, for a [`Stack`](crate::stack::Stack), which is one concrete type itself. Its
//! futures are boxed; what they wait for is a network.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::{Ask, Given, SharedStore, StoreError};
use crate::rate_limit::Quota;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A store of any kind. Clones share it.
#[derive(Clone)]
pub struct AnyStore(Arc<dyn Store>);

impl AnyStore {
    /// `store`, its kind forgotten.
    pub fn new(store: impl SharedStore) -> Self {
        Self(Arc::new(store))
    }
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyStore")
    }
}

trait Store: Send + Sync {
    fn take<'a>(&'a self, ask: &'a Ask<'a>) -> Boxed<'a, Given>;
    fn put_back<'a>(&'a self, key: &'a str, quota: &'a Quota, tokens: u32) -> Boxed<'a, ()>;
    fn distrust(&self);
}

impl<S: SharedStore> Store for S {
    fn take<'a>(&'a self, ask: &'a Ask<'a>) -> Boxed<'a, Given> {
        Box::pin(SharedStore::take(self, ask))
    }

    fn put_back<'a>(&'a self, key: &'a str, quota: &'a Quota, tokens: u32) -> Boxed<'a, ()> {
        Box::pin(SharedStore::put_back(self, key, quota, tokens))
    }

    fn distrust(&self) {
        SharedStore::distrust(self);
    }
}

impl SharedStore for AnyStore {
    async fn take(&self, ask: &Ask<'_>) -> Result<Given, StoreError> {
        self.0.take(ask).await
    }

    async fn put_back(&self, key: &str, quota: &Quota, tokens: u32) -> Result<(), StoreError> {
        self.0.put_back(key, quota, tokens).await
    }

    fn distrust(&self) {
        self.0.distrust();
    }
}
