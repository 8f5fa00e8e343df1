//! Whether a file has another version: a look now and then, so that it works on every file system, and a moment of
//! patience for a writer that has not finished.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mamparo_context::Clock;
use tokio::sync::mpsc;

use super::super::asks::Ask;

/// Between two looks.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a file that is written in place must rest before it is read.
const REST: Duration = Duration::from_millis(100);

/// What tells one version of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// What a look shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing new.
    Same,
    /// Something new that may not be finished: look again after this time.
    Unfinished(Duration),
    /// Another version.
    Other,
}

/// What was seen of a file.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The version that was read; a file that is not there has a stamp, too: none.
    read: Option<Option<Stamp>>,
    /// A version that is being written in place, and since when it has looked like this.
    seen: Option<(Stamp, Instant)>,
}

impl Watch {
    /// What the file looks like at `now`. The first look shows another version: nobody knows what was read before.
    pub(crate) fn look(&mut self, stamp: Option<Stamp>, now: Instant) -> Look {
        if self.read == Some(stamp) {
            self.seen = None;
            return Look::Same;
        }
        if let (Some(stamp), Some(Some(read))) = (stamp, self.read)
            && stamp.file == read.file
        {
            let since = match self.seen {
                Some((seen, since)) if seen == stamp => since,
                _ => now,
            };
            self.seen = Some((stamp, since));
            let rest = REST.saturating_sub(now.saturating_duration_since(since));
            if !rest.is_zero() {
                return Look::Unfinished(rest);
            }
        }
        self.read = Some(stamp);
        self.seen = None;
        Look::Other
    }
}

/// Asks for a reload whenever `file` has another version, until nobody listens any more.
pub(crate) async fn watch(file: PathBuf, asks: mpsc::Sender<Ask>, clock: Clock) {
    let mut watch = Watch::default();
    loop {
        // A file that cannot be looked at is read all the same, and that says why.
        let stamp = std::fs::metadata(&file).ok().as_ref().map(Stamp::of);
        let pause = match watch.look(stamp, clock.now()) {
            Look::Same => LOOK_EVERY,
            Look::Unfinished(rest) => rest,
            Look::Other if asks.send(Ask::reload("the file has changed")).await.is_err() => return,
            Look::Other => LOOK_EVERY,
        };
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(file: u64, length: u64) -> Option<Stamp> {
        Some(Stamp { file: (1, file), length, modified: (0, 0) })
    }

    #[test]
    fn a_file_that_is_replaced_is_read_at_once_and_one_that_is_written_in_place_when_it_rests() {
        let (mut watch, start) = (Watch::default(), Clock::manual().0.now());
        let at = |millis| start + Duration::from_millis(millis);
        let rest = |millis| Look::Unfinished(Duration::from_millis(millis));
        for (number, (millis, stamp, look)) in [
            (0, stamp(1, 5), Look::Other),
            (500, stamp(1, 5), Look::Same),
            (1_000, stamp(2, 5), Look::Other),
            // Written in place, piece by piece.
            (1_500, stamp(2, 1), rest(100)),
            (1_600, stamp(2, 3), rest(100)),
            (1_660, stamp(2, 3), rest(40)),
            (1_700, stamp(2, 3), Look::Other),
            (2_200, stamp(2, 3), Look::Same),
            // Written and put back before it rested.
            (2_700, stamp(2, 4), rest(100)),
            (2_800, stamp(2, 3), Look::Same),
            (2_900, stamp(2, 4), rest(100)),
            // Taken away, and there again.
            (3_200, None, Look::Other),
            (3_700, None, Look::Same),
            (4_200, stamp(2, 3), Look::Other),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(watch.look(stamp, at(millis)), look, "look {number}");
        }
    }
}
