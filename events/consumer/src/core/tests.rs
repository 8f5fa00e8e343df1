//! The decisions of a subscription, one by one and under everything that can happen in any order.

use std::collections::BTreeMap;

use mamparo_broker::{Message, MessageId};
use mamparo_context::{Clock, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn delivery(sequence: u64, lease: u64, key: Option<&str>) -> Delivery {
    let mut message = Message::new("orders", "payload");
    message.id = Some(MessageId(Uuid::from_u64_pair(0, sequence)));
    message.key = key.map(Into::into);
    Delivery {
        receipt: Receipt { queue: "orders".into(), sequence, lease },
        message,
        attempt: 1,
        leased_until: Timestamp::default(),
        last_error: None,
    }
}

fn core(concurrency: usize) -> (Core, Instant) {
    let options = Options { concurrency, prefetch: 10, ..Options::default() };
    (Core::new(options, true), Clock::manual().0.now())
}

fn drain(core: &mut Core, now: Instant) -> Vec<Action> {
    std::iter::from_fn(|| match core.next(now) {
        Action::WaitUntil(_) => None,
        action => Some(action),
    })
    .collect()
}

fn receipt(sequence: u64) -> Receipt {
    delivery(sequence, 1, None).receipt
}

fn leased(core: &mut Core, now: Instant, deliveries: Vec<Delivery>) -> Vec<Action> {
    assert!(matches!(drain(core, now).as_slice(), [Action::Lease { .. }]));
    core.on_leased(Some(deliveries), now);
    drain(core, now).into_iter().filter(|action| !matches!(action, Action::Lease { .. })).collect()
}

fn again() -> Verdict {
    Verdict::Again { after: Duration::from_secs(1), error: "shop closed".into() }
}

#[test]
fn handlers_are_bounded_and_messages_of_a_key_run_one_after_another() {
    let (mut core, now) = core(2);
    let three = vec![delivery(1, 1, Some("a")), delivery(2, 1, Some("a")), delivery(3, 1, Some("b"))];
    let started = leased(&mut core, now, three);
    assert_eq!(started, [Action::Start(delivery(1, 1, Some("a"))), Action::Start(delivery(3, 1, Some("b")))]);
    core.on_handled(receipt(1), Verdict::Done, now);
    assert_eq!(
        drain(&mut core, now),
        [Action::Ack(vec![receipt(1)]), Action::Start(delivery(2, 1, Some("a")))]
    );
}

#[test]
fn what_stands_behind_a_failed_message_of_its_key_is_given_back() {
    let (mut core, now) = core(4);
    let both = vec![delivery(1, 1, Some("a")), delivery(2, 1, Some("a"))];
    leased(&mut core, now, both);
    core.on_handled(receipt(1), again(), now);
    assert_eq!(
        drain(&mut core, now),
        [
            Action::Nack { receipt: receipt(1), after: Duration::from_secs(1), error: "shop closed".into() },
            Action::Release(vec![receipt(2)])
        ]
    );
    assert!(core.lines.is_empty());
}

#[test]
fn a_dead_letter_holds_up_nothing() {
    let (mut core, now) = core(4);
    leased(&mut core, now, vec![delivery(1, 1, Some("a")), delivery(2, 1, Some("a"))]);
    core.on_handled(receipt(1), Verdict::Dead { error: "no".into() }, now);
    assert_eq!(
        drain(&mut core, now),
        [
            Action::Reject { receipt: receipt(1), error: "no".into() },
            Action::Start(delivery(2, 1, Some("a")))
        ]
    );
}

#[test]
fn a_failing_ledger_gives_everything_back_and_pauses() {
    let (mut core, now) = core(1);
    leased(&mut core, now, vec![delivery(1, 1, None), delivery(2, 1, None)]);
    core.on_handled(receipt(1), Verdict::Pause { after: Duration::from_secs(1) }, now);
    core.on_leased(Some(vec![delivery(3, 1, None)]), now);
    let actions = drain(&mut core, now);
    assert_eq!(
        actions,
        [
            Action::Release(vec![receipt(1)]),
            Action::Release(vec![receipt(2)]),
            Action::Release(vec![receipt(3)])
        ]
    );
    assert!(matches!(drain(&mut core, now + Duration::from_secs(1)).as_slice(), [Action::Lease { .. }]));
}

#[test]
fn leases_are_extended_in_time_and_failed_acknowledgements_are_sent_again() {
    let (mut core, now) = core(1);
    leased(&mut core, now, vec![delivery(1, 1, None), delivery(2, 1, None)]);
    let later = now + core.options.visibility / 3;
    assert_eq!(core.next(now), Action::WaitUntil(Some(later)));
    assert!(matches!(core.next(later), Action::Extend(receipts) if receipts.len() == 2));
    core.on_handled(receipt(1), Verdict::Done, later);
    assert_eq!(core.next(later), Action::Ack(vec![receipt(1)]));
    core.on_acked(false, later);
    assert!(matches!(core.next(later), Action::Start(_)));
    assert!(matches!(core.next(later), Action::WaitUntil(_)));
    assert_eq!(core.next(later + BROKER_PAUSE), Action::Ack(vec![receipt(1)]));
}

#[test]
fn a_stop_gives_back_what_was_not_started_and_waits_for_the_rest() {
    let (mut core, now) = core(1);
    let three = vec![delivery(1, 1, Some("a")), delivery(2, 1, Some("a")), delivery(3, 1, None)];
    leased(&mut core, now, three);
    core.stop();
    assert_eq!(drain(&mut core, now), [Action::Release(vec![receipt(3), receipt(2)])]);
    core.on_leased(Some(vec![delivery(4, 1, None)]), now);
    assert_eq!(drain(&mut core, now), [Action::Release(vec![receipt(4)])]);
    assert!(!core.is_done());
    core.on_handled(receipt(1), Verdict::Done, now);
    assert_eq!(drain(&mut core, now), [Action::Ack(vec![receipt(1)])]);
    core.on_acked(true, now);
    assert!(core.is_done());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every lease is settled exactly once, a key never runs twice at a time, handlers stay bounded.
    #[test]
    fn every_lease_is_settled_once(
        events in prop::collection::vec((any::<u8>(), any::<u8>()), 1..300),
        concurrency in 1..6_usize,
    ) {
        let (mut core, mut now) = core(concurrency);
        let mut running: Vec<Delivery> = Vec::new();
        let mut open: BTreeMap<u64, ()> = BTreeMap::new();
        let (mut next, mut leasing, mut acking) = (0, false, Vec::new());
        let mut stopped = false;
        for step in 0..events.len() + 2_000 {
            let (what, which) = events.get(step).copied().unwrap_or((0, 0));
            if step == events.len() {
                core.stop();
                stopped = true;
            }
            loop {
                match core.next(now) {
                    Action::Lease { max } => { prop_assert!(!leasing && !stopped && max > 0); leasing = true }
                    Action::Start(delivery) => {
                        let same = |other: &Delivery| other.message.key == delivery.message.key;
                        prop_assert!(delivery.message.key.is_none() || !running.iter().any(same));
                        running.push(delivery);
                        prop_assert!(running.len() <= concurrency);
                    }
                    Action::Ack(receipts) => acking = receipts,
                    Action::Nack { receipt, .. } | Action::Reject { receipt, .. } => {
                        prop_assert!(open.remove(&receipt.sequence).is_some());
                    }
                    Action::Release(receipts) => for receipt in receipts {
                        prop_assert!(open.remove(&receipt.sequence).is_some());
                    },
                    Action::Extend(_) => {}
                    Action::WaitUntil(until) => {
                        if let (true, Some(until)) = (stopped, until) { now = now.max(until) }
                        break;
                    }
                }
            }
            match what % 4 {
                0 | 1 if leasing => {
                    leasing = false;
                    let batch = (0..u64::from(which % 7)).map(|n| {
                        let key = format!("k{}", (which / 7).wrapping_add(u8::try_from(n).unwrap()) % 3);
                        delivery(next + n, 1, (which % 2 == 0).then_some(key.as_str()))
                    });
                    let batch: Vec<Delivery> = batch.collect();
                    next += batch.len() as u64;
                    open.extend(batch.iter().map(|delivery| (delivery.receipt.sequence, ())));
                    core.on_leased((which != 255).then_some(batch.clone()), now);
                    if which == 255 { for delivery in batch { open.remove(&delivery.receipt.sequence); } }
                }
                0..=2 if !running.is_empty() => {
                    let done = running.remove(usize::from(which) % running.len());
                    let verdict = match which % 8 {
                        0 => again(),
                        1 => Verdict::Dead { error: "no".into() },
                        2 => Verdict::Pause { after: Duration::from_millis(10) },
                        _ => Verdict::Done,
                    };
                    core.on_handled(done.receipt, verdict, now);
                }
                _ if !acking.is_empty() => {
                    let done = which % 3 != 0 || stopped;
                    if done {
                        for receipt in &acking { prop_assert!(open.remove(&receipt.sequence).is_some()); }
                    }
                    acking.clear();
                    core.on_acked(done, now);
                }
                _ => now += Duration::from_millis(which.into()),
            }
        }
        prop_assert!(core.is_done());
        prop_assert!(open.is_empty(), "{open:?}");
    }
}
