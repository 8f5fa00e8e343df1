//! Decides what is left to be said to a second level that could not be reached: of each key the last, and everything
//! when there is too much.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// What is no longer true.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope<K> {
    /// One key.
    Key(K),
    /// All that bears this tag.
    Tag(Arc<str>),
    /// Everything.
    All,
}

/// What is left to be said. What stands in it is not read from the second level either.
#[derive(Debug)]
pub struct Recovery<K> {
    /// Each with the number of the last time that it was to be said.
    left: HashMap<Scope<K>, u64>,
    last: u64,
    max: usize,
    /// How often a tag, or everything, is in it: who cannot tell which keys that means reads nothing.
    wide: usize,
}

impl<K: Eq + Hash + Clone> Recovery<K> {
    /// Room for `max`.
    pub fn new(max: usize) -> Self {
        Self { left: HashMap::new(), last: 0, max, wide: 0 }
    }

    /// It is to be said. Returns the number of this time.
    pub fn add(&mut self, scope: Scope<K>) -> u64 {
        self.last += 1;
        let has_room = self.left.len() < self.max || self.left.contains_key(&scope);
        if scope == Scope::All || self.left.contains_key(&Scope::All) || !has_room {
            self.left.clear();
            self.left.insert(Scope::All, self.last);
            self.wide = 1;
            return self.last;
        }
        let is_wide = !matches!(scope, Scope::Key(_));
        if self.left.insert(scope, self.last).is_none() && is_wide {
            self.wide += 1;
        }
        self.last
    }

    /// It was said that time. If it is to be said once more since, it stays.
    pub fn said(&mut self, scope: &Scope<K>, number: u64) {
        if self.left.get(scope) == Some(&number) {
            self.left.remove(scope);
            self.wide -= usize::from(!matches!(scope, Scope::Key(_)));
        }
    }

    /// Something that is left to be said, and its number.
    pub fn next(&self) -> Option<(Scope<K>, u64)> {
        self.left.iter().next().map(|(scope, number)| (scope.clone(), *number))
    }

    /// Whether what the second level says of `key` may be wrong.
    pub fn covers(&self, key: &K) -> bool {
        self.wide > 0 || (!self.left.is_empty() && self.left.contains_key(&Scope::Key(key.clone())))
    }

    /// How much is left to be said.
    pub fn len(&self) -> usize {
        self.left.len()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_key_the_last_is_said_and_it_is_not_read_until_then() {
        let mut recovery = Recovery::new(3);
        let early = recovery.add(Scope::Key(1));
        let late = recovery.add(Scope::Key(1));
        let other = recovery.add(Scope::Key(2));
        assert_eq!(recovery.len(), 2);
        assert!(recovery.covers(&1) && !recovery.covers(&3));
        let tag = recovery.add(Scope::Tag("t".into()));
        assert!(recovery.covers(&3), "nobody knows what bears the tag");
        recovery.said(&Scope::Tag("t".into()), tag);
        recovery.said(&Scope::Key(1), early);
        assert!(recovery.covers(&1), "it is to be said once more");
        recovery.said(&Scope::Key(1), late);
        assert!(!recovery.covers(&3) && !recovery.covers(&1) && recovery.covers(&2));
        assert_eq!(recovery.next(), Some((Scope::Key(2), other)));
    }

    #[test]
    fn too_much_becomes_everything() {
        let mut recovery = Recovery::new(3);
        let last = (0..10).map(|key| recovery.add(Scope::Key(key))).last().unwrap();
        assert_eq!((recovery.len(), recovery.next()), (1, Some((Scope::All, last))));
        assert!(recovery.covers(&99));
        recovery.said(&Scope::All, last);
        assert!(recovery.is_empty() && !recovery.covers(&99));
        recovery.said(&Scope::All, last);
        recovery.add(Scope::Tag("t".into()));
        let all = recovery.add(Scope::All);
        recovery.said(&Scope::All, all);
        assert!(!recovery.covers(&1));
    }
}
