//! What an administrator has forgotten: all that bears a tag, one address, all below a beginning of addresses, everything.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cache::{HttpCache, Inner};
use crate::core::address::address_of;
use crate::counts::add;
use crate::entry::{Entry, Place, PlaceRef};

/// What is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purge {
    /// All answers that bear this tag. Takes the same time however many there are.
    Tag(String),
    /// The answers of one address, such as `https://example.com/a?b=c`, all variants of them.
    Address(String),
    /// The answers of all addresses that begin so, such as `https://example.com/shop/`. Looks at every entry once.
    Prefix(String),
    /// Everything.
    All,
}

/// A purge of what is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address, such as https://example.com/a?b=c")]
pub struct InvalidPurge(pub String);

impl HttpCache {
    /// Forgets. What is being fetched meanwhile is not kept, if it is of that; who waits for it gets it.
    ///
    /// Of the variants of an [address](Purge::Address) none is found any more; the room that they take is free when it
    /// is needed.
    ///
    /// # Errors
    /// The address is none.
    pub fn purge(&self, purge: &Purge) -> Result<(), InvalidPurge> {
        let inner = &*self.inner;
        match purge {
            Purge::Tag(tag) => inner.forget_tag(tag),
            Purge::Address(text) => {
                let address = address_of(text, &inner.rules.query);
                inner.forget(&address.ok_or_else(|| InvalidPurge(text.clone()))?);
            }
            Purge::Prefix(prefix) => inner.forget_below(prefix),
            Purge::All => inner.forget_all(),
        }
        Ok(())
    }
}

impl Inner {
    fn forget_tag(&self, tag: &str) {
        add(&self.counters.purges);
        self.store.invalidate_tag(tag);
    }

    /// Forgets the answers of an address.
    pub(crate) fn forget(&self, address: &str) {
        add(&self.counters.purges);
        let mut table = self.flights.of(address);
        table.overtake_if(|key| *key.place.address == *address);
        if self.store.look(&PlaceRef { address, variant: None }).is_some() {
            self.store.invalidate(&Place { address: Arc::from(address), variant: None });
        }
    }

    fn forget_below(&self, prefix: &str) {
        add(&self.counters.purges);
        for mut table in self.flights.each() {
            table.overtake_if(|key| key.place.address.starts_with(prefix));
        }
        self.store.invalidate_if(|_| false, |place: &Place, _: &Entry| place.address.starts_with(prefix));
    }

    fn forget_all(&self) {
        add(&self.counters.purges);
        for mut table in self.flights.each() {
            table.overtake_all();
        }
        self.store.clear();
    }
}
