//! Who reads which partition: the members of one consumer group, in memory alone, and the count of its changes.

use crate::limits::GROUP_MEMBERS_MAX;

/// The members of a group.
#[derive(Debug, Default)]
pub(crate) struct Members {
    /// Counts the changes, from 1 on.
    pub(crate) generation: u64,
    last: u64,
    members: Vec<u64>,
}

impl Members {
    /// A new member; `None` when there are as many as there may be.
    pub(crate) fn join(&mut self) -> Option<u64> {
        if self.members.len() >= GROUP_MEMBERS_MAX {
            return None;
        }
        self.last += 1;
        self.generation += 1;
        self.members.push(self.last);
        Some(self.last)
    }

    /// The member goes, and its partitions go to the others.
    pub(crate) fn leave(&mut self, member: u64) {
        let before = self.members.len();
        self.members.retain(|other| *other != member);
        if self.members.len() < before {
            self.generation += 1;
        }
    }

    /// All members start afresh at the stored offsets.
    pub(crate) fn restart(&mut self) {
        self.generation += 1;
    }

    /// The partitions, of `partitions`, that the member reads: shares differ by at most one.
    pub(crate) fn share(&self, member: u64, partitions: u32) -> Vec<u32> {
        let Some(place) = self.members.iter().position(|other| *other == member) else { return Vec::new() };
        (0..partitions).filter(|number| *number as usize % self.members.len() == place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_one_reader_and_shares_are_balanced() {
        let mut members = Members::default();
        let mut joined = Vec::new();
        for _ in 0..5 {
            joined.extend(members.join());
            let shares: Vec<_> = joined.iter().map(|&member| members.share(member, 8)).collect();
            let mut all: Vec<_> = shares.concat();
            all.sort_unstable();
            assert_eq!(all, (0..8).collect::<Vec<_>>());
            let (least, most) = (shares.iter().map(Vec::len).min(), shares.iter().map(Vec::len).max());
            assert!(most.unwrap_or(0) - least.unwrap_or(0) <= 1, "{shares:?}");
        }
    }

    #[test]
    fn every_change_begins_a_generation() {
        let mut members = Members::default();
        let first = members.join().unwrap_or(0);
        let second = members.join().unwrap_or(0);
        assert_eq!((members.generation, members.share(first, 2)), (2, vec![0]));
        members.leave(first);
        assert_eq!((members.generation, members.share(second, 2)), (3, vec![0, 1]));
        members.leave(first);
        assert_eq!((members.generation, members.share(first, 2)), (3, vec![]));
        members.restart();
        assert_eq!(members.generation, 4);
    }

    #[test]
    fn a_group_has_only_so_many_members() {
        let mut members = Members::default();
        assert!((0..GROUP_MEMBERS_MAX).all(|_| members.join().is_some()));
        assert_eq!(members.join(), None);
    }
}
