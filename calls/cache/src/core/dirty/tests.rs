//! The dirty set: a table of what happens in which order, and random histories against a store that may fail.

use proptest::prelude::*;

use super::*;

const NOW: Moment = Moment::from_nanos(1_000_000_000_000);
const MILLI: Duration = Duration::from_millis(1);

fn pace() -> Pace {
    Pace { linger: 10 * MILLI, batch: 3, keys: 4, pause: 100 * MILLI, pause_max: 1_000 * MILLI }
}

fn put(dirty: &mut Dirty<u8, u64>, key: u8, value: u64, now: Moment) -> u64 {
    let version = dirty.put(&key, Some(value), 0, now).unwrap();
    dirty.answered(&key, Some(value), version, true);
    version
}

fn keys(batch: &[Change<u8, u64>]) -> Vec<(u8, Option<u64>)> {
    batch.iter().map(|change| (change.key, change.value)).collect()
}

#[test]
fn writes_to_a_key_are_one_write_after_a_while() {
    let mut dirty = Dirty::new(pace());
    put(&mut dirty, 1, 10, NOW);
    put(&mut dirty, 2, 20, NOW + MILLI);
    put(&mut dirty, 1, 11, NOW + 2 * MILLI);
    assert_eq!(dirty.next_at(false), Some(NOW + 10 * MILLI));
    assert!(dirty.next(NOW + 9 * MILLI, false).is_empty());
    let batch = dirty.next(NOW + 10 * MILLI, false);
    assert_eq!(keys(&batch), [(1, Some(11))]);
    // Written again while it is being written: it waits for the first.
    put(&mut dirty, 1, 12, NOW + 10 * MILLI);
    assert_eq!(keys(&dirty.next(NOW + 50 * MILLI, true)), [(2, Some(20))]);
    assert_eq!(dirty.get(&1), Some(&Some(12)));
    dirty.written(&batch, NOW + 20 * MILLI);
    assert_eq!(keys(&dirty.next(NOW + 50 * MILLI, false)), [(1, Some(12))]);
}

#[test]
fn nothing_is_written_before_the_journal_has_answered() {
    let mut dirty = Dirty::<u8, u64>::new(pace());
    let first = dirty.put(&1, Some(10), 0, NOW).unwrap();
    assert_eq!((dirty.next_at(true), dirty.not_on_disk()), (None, 1));
    assert!(dirty.next(NOW + 1_000 * MILLI, true).is_empty());
    // Of a key that is written all the time, what is on disk is written.
    let second = dirty.put(&1, Some(11), 0, NOW).unwrap();
    assert_eq!(dirty.answered(&1, Some(10), first, true), None);
    let batch = dirty.next(NOW, true);
    assert_eq!(keys(&batch), [(1, Some(10))]);
    assert_eq!(dirty.answered(&1, Some(11), second, true), Some(first), "the journal may forget the first");
    assert!(dirty.written(&batch, NOW).is_empty(), "and holds the second");
    let batch = dirty.next(NOW, true);
    assert_eq!(dirty.written(&batch, NOW), [second]);
    assert!(dirty.is_empty());
}

#[test]
fn versions_grow_and_start_at_the_floor() {
    let mut dirty = Dirty::<u8, u64>::new(pace());
    assert_eq!(dirty.put(&1, None, 1_000, NOW), Ok(1_000));
    assert_eq!(dirty.put(&1, None, 1_000, NOW), Ok(1_001));
    dirty.restore(&2, None, 5_000, NOW);
    assert_eq!(dirty.put(&1, None, 1_000, NOW), Ok(5_001));
    dirty.restore(&1, Some(1), 7, NOW);
    assert_eq!(dirty.get(&1), Some(&None), "what is older does not overtake");
}

#[test]
fn there_is_room_for_so_many_keys_and_always_for_one_that_is_dirty() {
    let mut dirty = Dirty::new(pace());
    (0..4).for_each(|key| _ = put(&mut dirty, key, 1, NOW));
    assert_eq!(dirty.put(&4, Some(1), 0, NOW), Err(Full { retry_after: 10 * MILLI }));
    assert!(dirty.put(&3, Some(2), 0, NOW).is_ok());
    assert_eq!(dirty.oldest(), Some(NOW));
}

#[test]
fn a_key_that_the_store_refuses_holds_up_nobody() {
    let mut dirty = Dirty::new(pace());
    (0..3).for_each(|key| _ = put(&mut dirty, key, 1, NOW));
    let (mut now, mut written) = (NOW, Vec::new());
    for _ in 0..20 {
        let Some(at) = dirty.next_at(true) else { break };
        now = now.max(at);
        let batch = dirty.next(now, true);
        // Key 0 is poison to every batch that it is in.
        if batch.iter().any(|change| change.key == 0) {
            dirty.failed(&batch, now, 1.0);
        } else {
            written.extend(keys(&batch));
            dirty.written(&batch, now);
        }
        if written.len() == 2 {
            break;
        }
    }
    assert_eq!(written, [(1, Some(1)), (2, Some(1))]);
    assert!(now.since(NOW) <= 300 * MILLI, "{:?}", now.since(NOW));
    assert_eq!(dirty.len(), 1, "and nothing is ever given up");
}

proptest! {
    /// Random puts, answers of the journal, writes and failures: the store sees the versions of a key in order, no
    /// two writes of a key at the same time, and in the end the last value of each.
    #[test]
    fn the_store_ends_up_with_the_last_value_of_each_key(steps in proptest::collection::vec((0_u8..5, 0_u8..4), 1..200)) {
        let mut dirty = Dirty::<u8, u64>::new(pace());
        let mut store: HashMap<u8, (u64, Option<u64>)> = HashMap::new();
        let mut expected: HashMap<u8, Option<u64>> = HashMap::new();
        let mut journal: Vec<(u8, Option<u64>, u64)> = Vec::new();
        let mut held: std::collections::BTreeSet<u64> = Default::default();
        let mut flying: Vec<Vec<Change<u8, u64>>> = Vec::new();
        let mut now = NOW;
        let land = |dirty: &mut Dirty<u8, u64>, store: &mut HashMap<u8, (u64, Option<u64>)>, held: &mut std::collections::BTreeSet<u64>, batch: Vec<Change<u8, u64>>, now| {
            for change in &batch {
                let old = store.insert(change.key, (change.version, change.value));
                assert!(old.is_none_or(|(version, _)| version < change.version));
            }
            for version in dirty.written(&batch, now) {
                assert!(held.remove(&version), "the journal is told once");
            }
        };
        for (number, (what, key)) in steps.into_iter().enumerate() {
            now = now + MILLI;
            match what {
                0 | 1 => {
                    let value = (what == 0).then_some(number as u64);
                    if let Ok(version) = dirty.put(&key, value, 0, now) {
                        expected.insert(key, value);
                        journal.push((key, value, version));
                    }
                }
                2 => for (key, value, version) in journal.drain(..) {
                    held.insert(version);
                    if let Some(done) = dirty.answered(&key, value, version, true) {
                        assert!(held.remove(&done));
                    }
                },
                3 => {
                    let batch = dirty.next(now, false);
                    let busy = flying.iter().flatten().any(|own| batch.iter().any(|other| own.key == other.key));
                    prop_assert!(!busy, "one write of a key at a time");
                    if !batch.is_empty() { flying.push(batch); }
                }
                _ => if !flying.is_empty() {
                    let batch = flying.remove(0);
                    match key {
                        0 => dirty.failed(&batch, now, 0.5),
                        _ => land(&mut dirty, &mut store, &mut held, batch, now),
                    }
                },
            }
        }
        for (key, value, version) in journal.drain(..) {
            held.insert(version);
            if let Some(done) = dirty.answered(&key, value, version, true) {
                assert!(held.remove(&done));
            }
        }
        for batch in flying.drain(..) {
            land(&mut dirty, &mut store, &mut held, batch, now);
        }
        while let Some(at) = dirty.next_at(true) {
            now = now.max(at);
            let batch = dirty.next(now, true);
            prop_assert!(!batch.is_empty());
            land(&mut dirty, &mut store, &mut held, batch, now);
        }
        prop_assert!(dirty.is_empty());
        prop_assert!(held.is_empty(), "the journal holds nothing that the store has");
        let found: HashMap<u8, Option<u64>> = store.into_iter().map(|(key, (_, value))| (key, value)).collect();
        prop_assert_eq!(found, expected);
    }
}
