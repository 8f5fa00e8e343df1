//! Consumer groups: stored offsets, members that come and go, replay.

use std::collections::BTreeSet;
use std::time::Duration;

use mamparo_broker::{Group, LogError, Start};

use super::log::texts;
use super::{LogSubject, soon};

const NOW: Duration = Duration::ZERO;
const A_WHILE: Duration = Duration::from_secs(15);

impl LogSubject {
    async fn join(&self, group: &str) -> Box<dyn Group> {
        self.log.join(&self.topic, group, Start::Earliest).await.expect("join")
    }

    /// Joins as the only member.
    async fn join_alone(&self, group: &str) -> Box<dyn Group> {
        let mut member = self.join(group).await;
        owning(&mut member, Self::PARTITIONS).await;
        member
    }

    /// The stored offsets of a group.
    async fn stored(&self, group: &str) -> Vec<u64> {
        let all = self.log.topics().await.expect("topics");
        let own = all.into_iter().find(|info| info.name == self.topic).expect("the topic is listed");
        own.groups.into_iter().find(|(name, _)| name == group).map(|(_, offsets)| offsets).unwrap_or_default()
    }
}

/// Waits until the member has so many partitions: over a network others leave a moment after they were dropped.
async fn owning(member: &mut Box<dyn Group>, partitions: u32) {
    let owns = async {
        loop {
            assert_eq!(member.next(0, NOW).await, Ok(Vec::new()));
            if member.assignment().partitions.len() == partitions as usize {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon(owns).await;
}

/// Reads until nothing comes.
async fn drain(member: &mut Box<dyn Group>) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let found = soon(member.next(3, NOW)).await.expect("next");
        if found.is_empty() {
            all.sort();
            return all;
        }
        all.extend(texts(&found));
    }
}

/// Commits everything that was read.
async fn commit_all(member: &mut Box<dyn Group>) {
    let done = member.assignment().partitions;
    member.commit(&done).await.expect("commit");
}

/// A group that comes back reads on after what it committed.
pub async fn a_group_goes_on_where_it_committed(subject: &LogSubject) {
    subject.append(&["a:1", "b:1", "c:1", "d:1"]).await;
    let mut member = subject.join("g").await;
    assert_eq!(drain(&mut member).await, ["a:1", "b:1", "c:1", "d:1"]);
    commit_all(&mut member).await;
    drop(member);
    subject.append(&["a:2", "b:2"]).await;
    assert_eq!(drain(&mut subject.join_alone("g").await).await, ["a:2", "b:2"]);
}

/// What was read and not committed is read again by the next member.
pub async fn reading_moves_no_stored_offset(subject: &LogSubject) {
    subject.append(&["a:1", "b:1"]).await;
    let mut member = subject.join("g").await;
    assert_eq!(drain(&mut member).await, ["a:1", "b:1"]);
    assert_eq!(drain(&mut member).await, [""; 0], "the same member goes on");
    drop(member);
    assert_eq!(drain(&mut subject.join_alone("g").await).await, ["a:1", "b:1"]);
}

/// Every group reads everything, at its own pace.
pub async fn groups_are_independent(subject: &LogSubject) {
    subject.append(&["a:1", "b:1"]).await;
    let (mut one, mut two) = (subject.join("one").await, subject.join("two").await);
    assert_eq!(drain(&mut one).await, ["a:1", "b:1"]);
    commit_all(&mut one).await;
    assert_eq!(drain(&mut two).await, ["a:1", "b:1"]);
    assert_eq!(subject.stored("two").await.iter().sum::<u64>(), 0);
}

/// A group that begins at the latest reads what is appended after it joined, also after it comes back.
pub async fn latest_begins_after_the_newest(subject: &LogSubject) {
    subject.append(&["a:1", "b:1"]).await;
    let mut member = subject.log.join(&subject.topic, "g", Start::Latest).await.expect("join");
    assert_eq!(drain(&mut member).await, [""; 0]);
    subject.append(&["a:2"]).await;
    drop(member);
    let mut member = subject.log.join(&subject.topic, "g", Start::Latest).await.expect("join");
    owning(&mut member, LogSubject::PARTITIONS).await;
    assert_eq!(drain(&mut member).await, ["a:2"]);
}

/// The members of a group have all partitions between them, each exactly one member, in balanced shares.
pub async fn members_share_the_partitions(subject: &LogSubject) {
    let (mut one, mut two) = (subject.join("g").await, subject.join("g").await);
    let sent: Vec<String> = (0..40).map(|number| format!("k{number}:x")).collect();
    subject.append(&sent.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (first, second) = (drain(&mut one).await, drain(&mut two).await);
    assert_eq!(one.assignment().generation, two.assignment().generation);
    let partitions = |member: &dyn Group| -> Vec<u32> {
        member.assignment().partitions.into_iter().map(|(number, _)| number).collect()
    };
    let (of_one, of_two) = (partitions(&*one), partitions(&*two));
    assert_eq!((of_one.len(), of_two.len()), (2, 2));
    let all: BTreeSet<u32> = of_one.into_iter().chain(of_two).collect();
    assert_eq!(all.len(), LogSubject::PARTITIONS as usize);
    let mut read = [first, second].concat();
    read.sort();
    let mut sent = sent;
    sent.sort();
    assert_eq!(read, sent, "every record to exactly one member");
}

/// What a member had not committed when it left is read by those who stay.
pub async fn a_member_that_leaves_hands_over(subject: &LogSubject) {
    let (mut stays, mut leaves) = (subject.join("g").await, subject.join("g").await);
    let sent: Vec<String> = (0..40).map(|number| format!("k{number}:x")).collect();
    subject.append(&sent.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let own = drain(&mut stays).await;
    commit_all(&mut stays).await;
    let lost = drain(&mut leaves).await;
    assert!(!own.is_empty() && !lost.is_empty());
    drop(leaves);
    // A member that waits learns of it without a record being appended.
    let mut taken_over = Vec::new();
    while taken_over.len() < lost.len() {
        let found = soon(stays.next(100, A_WHILE)).await.expect("next");
        assert!(!found.is_empty());
        taken_over.extend(texts(&found));
    }
    taken_over.sort();
    assert_eq!(taken_over, lost);
}

/// A member cannot commit what it read before the group changed.
pub async fn a_stale_commit_is_refused(subject: &LogSubject) {
    subject.append(&["a:1", "b:1", "c:1", "d:1", "e:1", "f:1"]).await;
    let mut one = subject.join("g").await;
    assert_eq!(drain(&mut one).await.len(), 6);
    let read = one.assignment();
    let two = subject.join("g").await;
    let refused = soon(one.commit(&read.partitions)).await;
    match refused {
        Err(LogError::Revoked { group, generation, current }) => {
            assert_eq!((group.as_str(), generation), ("g", read.generation));
            assert!(current > generation);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(subject.stored("g").await.iter().sum::<u64>(), 0, "nothing was stored");
    drop(two);
    owning(&mut one, LogSubject::PARTITIONS).await;
    assert_eq!(drain(&mut one).await.len(), 6, "it is read again in the new generation");
    commit_all(&mut one).await;
    assert_eq!(subject.stored("g").await.iter().sum::<u64>(), 6);
}

/// Moving the stored offset makes the members read from there, those that wait at once.
pub async fn seek_replays_at_once(subject: &LogSubject) {
    let partition = subject.append(&["a:1", "a:2", "a:3"]).await[0].0;
    let mut member = subject.join("g").await;
    assert_eq!(drain(&mut member).await, ["a:1", "a:2", "a:3"]);
    let before = member.assignment();
    let waiting = tokio::spawn(async move {
        let found = member.next(10, A_WHILE).await.expect("next");
        (member, found)
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(subject.log.seek(&subject.topic, "g", partition, 1).await, Ok(()));
    let (mut member, found) = soon(waiting).await.expect("member");
    assert_eq!(texts(&found), ["a:2", "a:3"]);
    assert!(member.assignment().generation > before.generation);
    assert_eq!(subject.log.seek(&subject.topic, "g", partition, 3).await, Ok(()));
    assert_eq!(drain(&mut member).await, [""; 0], "it can skip, too");
    assert_eq!(subject.log.seek(&subject.topic, "new", partition, 2).await, Ok(()));
    assert_eq!(drain(&mut subject.join("new").await).await, ["a:3"], "a group can begin with it");
}

/// A member that waits gets what is appended.
pub async fn next_wakes_on_append(subject: &LogSubject) {
    let mut member = subject.join("g").await;
    let waiting = tokio::spawn(async move { member.next(10, A_WHILE).await.expect("next") });
    tokio::time::sleep(Duration::from_millis(20)).await;
    subject.append(&["a:1"]).await;
    assert_eq!(texts(&soon(waiting).await.expect("member")), ["a:1"]);
}

/// A member that waits in vain is told so in time.
pub async fn next_ends_in_time(subject: &LogSubject) {
    let mut member = subject.join("g").await;
    assert_eq!(soon(member.next(10, NOW)).await, Ok(Vec::new()));
    assert_eq!(soon(member.next(10, Duration::from_millis(30))).await, Ok(Vec::new()));
}

/// What a dropped call had read is read again by the next.
pub async fn a_dropped_next_loses_nothing(subject: &LogSubject) {
    let sent: Vec<String> = (0..30).map(|number| format!("a:{number:02}")).collect();
    subject.append(&sent.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut member = subject.join("g").await;
    let mut read = Vec::new();
    for round in 0_u64.. {
        let impatient = Duration::from_micros(round % 5 * 200);
        match tokio::time::timeout(impatient, member.next(4, A_WHILE)).await {
            Ok(found) => read.extend(texts(&found.expect("next"))),
            Err(_) => tokio::task::yield_now().await,
        }
        if read.len() >= sent.len() || round > 5_000 {
            break;
        }
        if round % 5 == 4 {
            read.extend(texts(&soon(member.next(4, NOW)).await.expect("next")));
        }
    }
    assert_eq!(read, sent);
}

/// A topic shows where its partitions and its groups stand.
pub async fn topics_show_offsets_and_groups(subject: &LogSubject) {
    let places = subject.append(&["a:1", "a:2", "a:3"]).await;
    let partition = places[0].0 as usize;
    let mut member = subject.join("g").await;
    assert_eq!(drain(&mut member).await.len(), 3);
    member.commit(&[(places[0].0, 2)]).await.expect("commit");
    let all = subject.log.topics().await.expect("topics");
    let own = all.into_iter().find(|info| info.name == subject.topic).expect("the topic is listed");
    assert_eq!(own.partitions.len(), LogSubject::PARTITIONS as usize);
    assert_eq!(own.partitions[partition], (0, 3));
    assert_eq!(own.groups.len(), 1);
    assert_eq!(own.groups[0].1[partition], 2);
}
