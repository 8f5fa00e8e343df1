//! Decides whether notes of other nodes were lost: they are numbered, and the number of the last one can be asked for.

/// The numbers that were heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    last: Option<u64>,
    /// What was asked for a while ago: by now its notes must have come.
    due: Option<u64>,
}

impl Sequence {
    /// A note with this number has come. Says whether others before it were lost. What is heard late is not lost
    /// twice.
    #[must_use]
    pub fn note(&mut self, number: u64) -> bool {
        let is_lost = self.last.is_some_and(|last| number > last.saturating_add(1));
        self.last = Some(self.last.map_or(number, |last| last.max(number)));
        is_lost
    }

    /// Notes are heard from now on, again or for the first time, and the last before was `number`. Says whether notes
    /// were lost in between.
    #[must_use]
    pub fn connected(&mut self, number: u64) -> bool {
        let is_lost = self.last.is_some_and(|last| last != number);
        *self = Self { last: Some(number), due: None };
        is_lost
    }

    /// The last note that was sent has this number, and may be on its way. Says whether notes were lost: those that
    /// were on their way when this was asked before, and are not here now; or all, if the numbers begin anew.
    #[must_use]
    pub fn probed(&mut self, number: u64) -> bool {
        let last = self.last.unwrap_or(number);
        let is_lost = number < last || self.due.is_some_and(|due| due > last);
        if is_lost {
            self.last = Some(number);
        }
        self.due = Some(number);
        is_lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_between_notes_is_a_loss() {
        let mut sequence = Sequence::default();
        assert!(!sequence.connected(7));
        for (number, is_lost) in [(8, false), (9, false), (11, true), (12, false), (10, false), (13, false)] {
            assert_eq!(sequence.note(number), is_lost, "{number}");
        }
    }

    #[test]
    fn what_was_sent_while_nobody_listened_is_a_loss() {
        let mut sequence = Sequence::default();
        assert!(!sequence.connected(7), "who knows nothing has lost nothing");
        assert!(!sequence.connected(7));
        assert!(sequence.connected(9));
        assert!(!sequence.note(9), "on its way while it was asked for");
        assert!(!sequence.note(10));
        assert!(sequence.connected(3), "the numbers begin anew");
    }

    #[test]
    fn a_last_note_that_never_comes_is_missed_at_the_second_look() {
        let mut sequence = Sequence::default();
        assert!(!sequence.connected(7));
        assert!(!sequence.probed(8), "it may be on its way");
        assert!(sequence.probed(8));
        assert!(!sequence.probed(8));
        assert!(!sequence.probed(9));
        assert!(!sequence.note(9));
        assert!(!sequence.probed(9));
        assert!(sequence.probed(2), "the numbers begin anew");
    }
}
