//! What every broker promises, each sentence of the contracts as one function that an adapter of anybody's can run.
//!
//! An adapter makes a subject (a fresh queue or log each time) and calls [`queue_suite!`](crate::queue_suite) or
//! [`log_suite!`](crate::log_suite), which make one test for each promise. A promise that rests on a capability
//! which the adapter does not declare is passed over.

pub mod log;
mod log_groups;
pub mod queue;
mod queue_failures;
mod queue_order;
mod queue_waiting;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use mamparo_broker::{BoxFuture, Log, Queue};

/// Lets time pass for the broker: moves its clock where that can be moved by hand, else waits.
pub type Advance = Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// A queue under test.
pub struct QueueSubject {
    /// The broker.
    pub queue: Arc<dyn Queue>,
    /// An empty queue that gives a message up after [`QueueSubject::MAX_ATTEMPTS`] attempts, and makes a message
    /// available at once when its lease has run out.
    pub name: String,
    /// Lets time pass.
    pub advance: Advance,
    /// What must live as long as the subject.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl QueueSubject {
    /// Attempts after which the queue gives a message up.
    pub const MAX_ATTEMPTS: u32 = 3;
}

/// A log under test.
pub struct LogSubject {
    /// The broker.
    pub log: Arc<dyn Log>,
    /// An empty topic of [`LogSubject::PARTITIONS`] partitions.
    pub topic: String,
    /// What must live as long as the subject.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl LogSubject {
    /// Partitions of the topic.
    pub const PARTITIONS: u32 = 4;
}

/// Fails instead of waiting for ever.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(20), what).await {
        Ok(value) => value,
        Err(_) => panic!("nothing happened for 20 s"),
    }
}

/// One test for each promise of a queue; `$subject` is an `async fn() -> QueueSubject`.
#[macro_export]
macro_rules! queue_suite {
    ($subject:path) => {
        $crate::broker_tests!($subject, queue:
            publish_answers_with_the_ids_in_order, a_message_arrives_whole, a_batch_is_accepted_whole_or_not_at_all,
            messages_come_in_order, a_batch_is_bounded, a_leased_message_is_nobody_elses,
            ack_forgets_and_counts_live_receipts, any_part_of_a_batch_can_be_acknowledged, extend_makes_the_lease_last, release_burns_no_attempt,
            an_unknown_queue_is_a_typed_error, queues_are_counted, consumers_share_without_overlap,
            a_lease_that_ran_out_is_delivered_again, a_receipt_is_void_once_its_lease_ran_out,
            nack_delivers_again_after_the_delay, used_up_attempts_make_a_dead_letter,
            leases_that_run_out_use_up_attempts, reject_makes_a_dead_letter_at_once,
            redrive_puts_back_a_fresh_message, discard_forgets_a_dead_letter, dead_letters_come_in_pages,
            a_nack_holds_back_its_key_alone, a_release_keeps_the_order_of_its_key,
            an_expired_lease_keeps_the_order_of_its_key, a_dead_letter_lets_the_next_of_its_key_pass,
            a_batch_holds_no_later_message_of_a_key_in_flight, a_delayed_message_waits_for_its_moment,
            an_empty_receive_ends_in_time, publish_wakes_a_receiver, release_wakes_a_receiver,
            an_elapsed_delay_wakes_a_receiver, an_expired_lease_wakes_a_receiver, redrive_wakes_a_receiver,
            ack_wakes_the_receiver_of_the_next_of_its_key, many_receivers_are_all_woken,
            a_dropped_receive_loses_nothing,
        );
    };
}

/// One test for each promise of a log; `$subject` is an `async fn() -> LogSubject`.
#[macro_export]
macro_rules! log_suite {
    ($subject:path) => {
        $crate::broker_tests!($subject, log:
            offsets_are_dense_and_a_key_keeps_its_partition, a_record_arrives_whole,
            an_append_is_whole_or_not_at_all, records_are_read_from_any_offset,
            unknown_topics_and_partitions_are_typed_errors, a_group_goes_on_where_it_committed,
            reading_moves_no_stored_offset, groups_are_independent, latest_begins_after_the_newest,
            members_share_the_partitions, a_member_that_leaves_hands_over, a_stale_commit_is_refused,
            seek_replays_at_once, next_wakes_on_append, next_ends_in_time, a_dropped_next_loses_nothing,
            topics_show_offsets_and_groups,
        );
    };
}

/// The tests behind [`queue_suite!`](crate::queue_suite) and [`log_suite!`](crate::log_suite).
#[doc(hidden)]
#[macro_export]
macro_rules! broker_tests {
    ($subject:path, $suite:ident: $($promise:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            let subject = $subject().await;
            $crate::broker::$suite::$promise(&subject).await;
        }
    )*};
}
