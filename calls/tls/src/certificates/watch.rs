//! When files have changed, decided from how they look at two moments. Who looks, and how often, is not decided here.

use std::path::Path;
use std::time::SystemTime;

/// How a file looks from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileStamp {
    /// When it was last written; nothing when it is not there or cannot be looked at.
    pub modified: Option<SystemTime>,
    /// How long it is, in bytes.
    pub bytes: u64,
}

impl FileStamp {
    /// How the file at `path` looks now; links are followed.
    pub fn of(path: &Path) -> Self {
        match std::fs::metadata(path) {
            Ok(metadata) => Self { modified: metadata.modified().ok(), bytes: metadata.len() },
            Err(_) => Self::default(),
        }
    }
}

/// Notices that files have changed and that whoever changed them is done: they look different than when they were
/// last acted on, and the same at two looks in a row. A certificate and its key are two files, written one after the
/// other.
#[derive(Clone, Debug)]
pub struct Watch {
    acted_on: Vec<FileStamp>,
    seen: Vec<FileStamp>,
}

impl Watch {
    /// Files that looked like this when they were last acted on.
    pub fn new(stamps: Vec<FileStamp>) -> Self {
        Self { seen: stamps.clone(), acted_on: stamps }
    }

    /// Takes a look. Whether it is time to read the files again; said once for each change.
    pub fn changed(&mut self, now: &[FileStamp]) -> bool {
        let steady = self.seen == now;
        if !steady {
            self.seen = now.to_vec();
        }
        let changed = steady && self.acted_on != now;
        if changed {
            self.acted_on = now.to_vec();
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64, bytes: u64) -> FileStamp {
        FileStamp { modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), bytes }
    }

    #[test]
    fn a_change_is_told_once_when_the_files_have_come_to_rest() {
        let gone = FileStamp::default();
        let mut watch = Watch::new(vec![at(1, 10), at(1, 5)]);
        for (look, stamps, told) in [
            (1, [at(1, 10), at(1, 5)], false),
            (2, [at(2, 10), at(1, 5)], false),
            (3, [at(2, 10), at(2, 5)], false),
            (4, [at(2, 10), at(2, 5)], true),
            (5, [at(2, 10), at(2, 5)], false),
            (6, [at(2, 11), at(2, 5)], false),
            (7, [at(2, 10), at(2, 5)], false),
            (8, [at(2, 10), at(2, 5)], false),
            (9, [gone, at(2, 5)], false),
            (10, [gone, at(2, 5)], true),
            (11, [at(3, 10), at(2, 5)], false),
            (12, [at(3, 10), at(2, 5)], true),
        ] {
            assert_eq!(watch.changed(&stamps), told, "look {look}");
        }
    }
}
