//! The schema of every component of a program, as numbered steps: an older file opens and is brought up to date,
//! a newer one is refused.

/// One step of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// What it does, for the person who reads the log.
    pub name: &'static str,
    /// The statements, for the engine at hand.
    pub sql: &'static str,
}

/// The schema of one component: step number 1 first. Steps are only ever added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrations {
    /// Whose schema it is.
    pub component: &'static str,
    /// Its steps.
    pub steps: &'static [Migration],
}

impl Migrations {
    /// The newest version this program knows.
    pub fn version(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX)
    }

    /// The steps that bring version `found` up to date, each with the version it leads to.
    pub fn after(&self, found: u32) -> impl Iterator<Item = (u32, &'static Migration)> {
        (1..).zip(self.steps).filter(move |(version, _)| *version > found)
    }
}
