//! How a ledger file is opened.

use std::path::PathBuf;

use mamparo_context::{Clock, Ids, Random};
use mamparo_ledger::{Ledger, OpenError};

use crate::engine::Sqlite;

/// What an acknowledged transaction survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: it is on disk (`fdatasync`) before it is acknowledged.
    #[default]
    Disk,
    /// A crash of this process, but not of the machine. For data that can be made again.
    Process,
}

/// How to open a ledger file.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) path: PathBuf,
    pub(crate) holder: String,
    pub(crate) durability: Durability,
    pub(crate) readers: usize,
    pub(crate) pages_max: Option<u32>,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
}

impl Options {
    /// Opens the file at `path`, and makes it with its folder when it does not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            holder: std::env::args().take(3).collect::<Vec<_>>().join(" "),
            durability: Durability::default(),
            readers: 2,
            pages_max: None,
            clock: Clock::system(),
            ids: Ids::system(),
        }
    }

    /// What this process calls itself towards another one that wants the same file. By default its command line.
    #[must_use]
    pub fn holder(mut self, holder: &str) -> Self {
        self.holder = holder.to_owned();
        self
    }

    /// What an acknowledged transaction survives. By default a power cut.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Threads that read, at least 1, by default 2; each opens its connection when it is first needed.
    #[must_use]
    pub fn readers(mut self, readers: usize) -> Self {
        self.readers = readers.max(1);
        self
    }

    /// Most pages the file may have; writing more answers [`mamparo_ledger::Error::DiskFull`]. By default as many
    /// as the disk holds.
    #[must_use]
    pub fn pages_max(mut self, pages: u32) -> Self {
        self.pages_max = Some(pages);
        self
    }

    /// The clock to stamp with, and the randomness to draw ids from.
    #[must_use]
    pub fn clock(mut self, clock: Clock, random: Random) -> Self {
        self.ids = Ids::new(clock.clone(), random);
        self.clock = clock;
        self
    }

    /// Opens the ledger. Blocks for the milliseconds that takes; after a crash for as long as the check of the
    /// file needs.
    ///
    /// # Errors
    /// The file is in use, newer, damaged, something else, or cannot be written.
    pub fn open(self) -> Result<Ledger, OpenError> {
        Ok(Ledger::new(Sqlite::open(self)?))
    }
}
