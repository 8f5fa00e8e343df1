//! Every definition this program knows, by name and version.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::State;
use crate::definition::Definition;

/// The definitions by name and version. A version stays registered as long as a saga that began with it runs.
#[derive(Clone, Debug, Default)]
pub struct Registry(BTreeMap<String, BTreeMap<u32, Arc<Definition>>>);

/// A name and version was registered twice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("saga `{name}` version {version} is registered already")]
pub struct AlreadyRegistered {
    /// The name.
    pub name: String,
    /// The version.
    pub version: u32,
}

/// A saga runs on a definition that this program does not know. It is left untouched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("saga `{name}` version {version} is not known here; known versions: {known:?}")]
pub struct UnknownDefinition {
    /// The name.
    pub name: String,
    /// The version.
    pub version: u32,
    /// The versions of that name that are known.
    pub known: Vec<u32>,
}

impl Registry {
    /// No definitions yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a definition.
    ///
    /// # Errors
    /// [`AlreadyRegistered`] when its name and version are taken: a definition that has run is never changed, a
    /// new version is added beside it.
    pub fn register(&mut self, definition: Definition) -> Result<&mut Self, AlreadyRegistered> {
        let versions = self.0.entry(definition.name.clone()).or_default();
        if versions.contains_key(&definition.version) {
            let Definition { name, version, .. } = definition;
            return Err(AlreadyRegistered { name, version });
        }
        versions.insert(definition.version, Arc::new(definition));
        Ok(self)
    }

    /// The definition `name` in its highest version: what a new saga begins with.
    pub fn latest(&self, name: &str) -> Option<&Arc<Definition>> {
        self.0.get(name)?.last_key_value().map(|(_, definition)| definition)
    }

    /// One version of a definition.
    ///
    /// # Errors
    /// [`UnknownDefinition`] when it is not registered here.
    pub fn get(&self, name: &str, version: u32) -> Result<&Arc<Definition>, UnknownDefinition> {
        let versions = self.0.get(name);
        versions.and_then(|versions| versions.get(&version)).ok_or_else(|| UnknownDefinition {
            name: name.to_owned(),
            version,
            known: versions.map(|versions| versions.keys().copied().collect()).unwrap_or_default(),
        })
    }

    /// The definition that `state` began with.
    ///
    /// # Errors
    /// [`UnknownDefinition`] when it is not registered here.
    pub fn of(&self, state: &State) -> Result<&Arc<Definition>, UnknownDefinition> {
        self.get(state.definition(), state.version())
    }

    /// All definitions, by name and version.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.0.values().flat_map(BTreeMap::values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Retry, Saga, Step};

    fn definition(version: u32) -> Definition {
        Saga::define("s", version).step(Step::call("a", "t").retry(Retry::once())).build().unwrap()
    }

    #[test]
    fn versions_stand_side_by_side() {
        let mut registry = Registry::new();
        registry.register(definition(2)).unwrap().register(definition(1)).unwrap();
        assert_eq!(registry.latest("s").unwrap().version(), 2);
        assert_eq!(registry.get("s", 1).unwrap().version(), 1);
        assert_eq!(registry.iter().count(), 2);
        let again = registry.register(definition(1)).unwrap_err();
        assert_eq!(again, AlreadyRegistered { name: "s".into(), version: 1 });
        let unknown = registry.get("s", 3).unwrap_err();
        assert_eq!(unknown, UnknownDefinition { name: "s".into(), version: 3, known: vec![1, 2] });
        assert!(registry.get("other", 1).unwrap_err().known.is_empty());
    }
}
