//! Attempts that fail: leases that run out, negative acknowledgements, dead letters.

use std::time::Duration;

use mamparo_broker::{Capability, QueueError};

use super::QueueSubject;
use super::queue::{LEASE, payloads, receipts};

const SECOND: Duration = Duration::from_secs(1);

/// A message whose lease ran out is delivered again, and counted.
pub async fn a_lease_that_ran_out_is_delivered_again(subject: &QueueSubject) {
    subject.publish(&["a"]).await;
    assert_eq!(subject.one().await.attempt, 1);
    subject.pass(LEASE + SECOND).await;
    assert_eq!(subject.one().await.attempt, 2);
}

/// A late consumer can do nothing to what somebody else works on, or may work on.
pub async fn a_receipt_is_void_once_its_lease_ran_out(subject: &QueueSubject) {
    subject.publish(&["a"]).await;
    let late = subject.one().await.receipt;
    subject.pass(LEASE + SECOND).await;
    let late = std::slice::from_ref(&late);
    for _ in 0..2 {
        assert_eq!(subject.queue.ack(late).await, Ok(0));
        assert_eq!(subject.queue.nack(&late[0], Duration::ZERO, "late").await, Ok(0));
        assert_eq!(subject.queue.reject(&late[0], "late").await, Ok(0));
        if subject.has(Capability::Extend) {
            assert_eq!(subject.queue.extend(late, LEASE).await, Ok(0));
        }
        if subject.has(Capability::Release) {
            assert_eq!(subject.queue.release(late).await, Ok(0));
        }
        // The second time somebody else has it.
        subject.take(1).await;
    }
    let dead = subject.queue.dead_letters(Some(&subject.name), 0, 10).await.expect("dead letters");
    assert!(dead.is_empty());
}

/// A message that was given back comes again after the delay, not before, with the error.
pub async fn nack_delivers_again_after_the_delay(subject: &QueueSubject) {
    if !subject.has(Capability::NackDelay) {
        return;
    }
    subject.publish(&["a"]).await;
    let found = subject.one().await;
    assert_eq!(subject.queue.nack(&found.receipt, 10 * SECOND, "provider down").await, Ok(1));
    assert_eq!(subject.queue.ack(&[found.receipt]).await, Ok(0), "the receipt is void");
    subject.pass(9 * SECOND).await;
    assert_eq!(payloads(&subject.take(1).await), [""; 0], "not before the delay has passed");
    subject.pass(2 * SECOND).await;
    let again = subject.one().await;
    assert_eq!((again.attempt, again.last_error.as_deref()), (2, Some("provider down")));
    assert_eq!(subject.queue.nack(&again.receipt, Duration::ZERO, "still down").await, Ok(1));
    assert_eq!(subject.one().await.last_error.as_deref(), Some("still down"));
}

/// The last attempt that fails makes a dead letter with the message and its error.
pub async fn used_up_attempts_make_a_dead_letter(subject: &QueueSubject) {
    let sent = subject.message("a").key("k").header("h", "v");
    let ids = subject.queue.publish(vec![sent]).await.expect("publish");
    for attempt in 1..=QueueSubject::MAX_ATTEMPTS {
        let found = subject.one().await;
        assert_eq!(found.attempt, attempt);
        let error = format!("failure {attempt}: cause");
        assert_eq!(subject.queue.nack(&found.receipt, Duration::ZERO, &error).await, Ok(1));
    }
    assert_eq!(payloads(&subject.take(1).await), [""; 0]);
    let dead = subject.queue.dead_letters(Some(&subject.name), 0, 10).await.expect("dead letters");
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].id, dead[0].queue.as_str()), (ids[0], subject.name.as_str()));
    assert_eq!((dead[0].payload.as_str(), dead[0].key.as_deref()), ("a", Some("k")));
    assert_eq!(dead[0].headers, [("h".to_owned(), "v".to_owned())]);
    assert_eq!(dead[0].attempts, QueueSubject::MAX_ATTEMPTS);
    assert_eq!(dead[0].error, format!("failure {}: cause", QueueSubject::MAX_ATTEMPTS));
}

/// A consumer that dies on a message every time does not get it for ever.
pub async fn leases_that_run_out_use_up_attempts(subject: &QueueSubject) {
    subject.publish(&["a"]).await;
    for attempt in 1..=QueueSubject::MAX_ATTEMPTS {
        assert_eq!(subject.one().await.attempt, attempt);
        subject.pass(LEASE + SECOND).await;
    }
    assert_eq!(payloads(&subject.take(1).await), [""; 0]);
    let dead = subject.queue.dead_letters(None, 0, 10).await.expect("dead letters");
    assert_eq!((dead.len(), dead[0].attempts), (1, QueueSubject::MAX_ATTEMPTS));
    assert!(!dead[0].error.is_empty());
}

/// A rejected message is a dead letter, whatever attempts are left.
pub async fn reject_makes_a_dead_letter_at_once(subject: &QueueSubject) {
    subject.publish(&["a", "b"]).await;
    let found = subject.take(2).await;
    assert_eq!(subject.queue.reject(&found[0].receipt, "not an order").await, Ok(1));
    assert_eq!(subject.queue.ack(&receipts(&found)).await, Ok(1));
    let dead = subject.queue.dead_letters(Some(&subject.name), 0, 10).await.expect("dead letters");
    let shown: Vec<_> = dead.iter().map(|letter| (letter.payload.as_str(), letter.error.as_str())).collect();
    assert_eq!(shown, [("a", "not an order")]);
    assert_eq!(dead[0].attempts, 1);
}

/// A dead letter that is put back is a fresh message under the same id.
pub async fn redrive_puts_back_a_fresh_message(subject: &QueueSubject) {
    subject.publish(&["a"]).await;
    let first = subject.one().await;
    assert_eq!(subject.queue.reject(&first.receipt, "no").await, Ok(1));
    let dead = subject.queue.dead_letters(None, 0, 10).await.expect("dead letters");
    assert_eq!(subject.queue.redrive(dead[0].sequence).await, Ok(()));
    let again = subject.one().await;
    assert_eq!((again.message, again.attempt, again.last_error), (first.message, 1, None));
    assert_eq!(subject.queue.ack(&[again.receipt]).await, Ok(1));
    assert_eq!(subject.queue.dead_letters(None, 0, 10).await, Ok(Vec::new()));
    let gone = subject.queue.redrive(dead[0].sequence).await;
    assert!(matches!(gone, Err(QueueError::UnknownDeadLetter(_))), "{gone:?}");
}

/// A dead letter that was discarded is gone for good.
pub async fn discard_forgets_a_dead_letter(subject: &QueueSubject) {
    subject.publish(&["a"]).await;
    assert_eq!(subject.queue.reject(&subject.one().await.receipt, "no").await, Ok(1));
    let dead = subject.queue.dead_letters(None, 0, 10).await.expect("dead letters");
    assert_eq!(subject.queue.discard(dead[0].sequence).await, Ok(()));
    assert_eq!(subject.queue.dead_letters(None, 0, 10).await, Ok(Vec::new()));
    let gone = subject.queue.discard(dead[0].sequence).await;
    assert!(matches!(gone, Err(QueueError::UnknownDeadLetter(_))), "{gone:?}");
}

/// Dead letters are read in pages, by number.
pub async fn dead_letters_come_in_pages(subject: &QueueSubject) {
    subject.publish(&["a", "b", "c"]).await;
    for found in subject.take(3).await {
        assert_eq!(subject.queue.reject(&found.receipt, "no").await, Ok(1));
    }
    let (mut after, mut shown) = (0, Vec::new());
    loop {
        let page = subject.queue.dead_letters(Some(&subject.name), after, 2).await.expect("dead letters");
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 2 && last.sequence > after);
        after = last.sequence;
        shown.extend(page.into_iter().map(|letter| letter.payload));
    }
    assert_eq!(shown, ["a", "b", "c"]);
}
