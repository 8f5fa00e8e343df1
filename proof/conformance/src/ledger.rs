//! What every ledger engine must do: each sentence of the contract is one function, to be called on a fresh
//! ledger. [`ledger_suite!`] makes a test of each.
//!
//! # Panics
//! Every function panics with what was wrong when the engine breaks the sentence.

mod events;
mod outbox;
mod timers;
mod transactions;

use mamparo_context::Context;
use mamparo_ledger::{Ledger, Message, Migration, Migrations, NewEvent, StreamName, params};

pub use events::*;
pub use outbox::*;
pub use timers::*;
pub use transactions::*;

/// Makes a test of every sentence of the contract. `$open` is an expression that opens a fresh ledger and
/// evaluates to `(guard, ledger)`; the guard lives as long as the test.
#[macro_export]
macro_rules! ledger_suite {
    ($open:expr) => {
        $crate::ledger_suite!(@ $open;
            an_answer_is_committed, an_error_leaves_no_trace, an_own_error_comes_back,
            a_handled_error_keeps_what_was_done_before, a_panic_is_rolled_back_and_answered,
            a_neighbour_does_not_suffer, a_passed_deadline_is_refused,
            transactions_cannot_be_ended_from_within, wrong_statements_are_named,
            constraints_are_told_from_wrong_statements, a_unit_sees_what_it_did,
            readers_see_only_what_is_committed, reads_cannot_write, long_answers_are_refused,
            migrations_run_once_and_newer_ones_are_refused, a_failed_migration_changes_nothing,
            a_closed_ledger_says_so,
            expected_versions_guard_a_stream, concurrent_appends_conflict_once,
            positions_have_no_gaps, a_refused_append_moves_nothing, streams_are_read_in_pages,
            a_tail_sees_every_event_once, events_keep_all_they_were_given, oversized_events_are_refused,
            an_empty_append_checks_and_adds_nothing,
            the_outbox_keeps_order_and_content, what_was_sent_is_forgotten, rows_can_be_parked,
            a_message_carries_its_context, oversized_messages_are_refused, the_head_announces_the_outbox,
            a_message_is_received_once_per_consumer, concurrent_receipts_have_one_first,
            a_receipt_is_undone_with_its_transaction, the_inbox_is_pruned_by_age,
            timers_are_read_by_when_they_are_due, a_timer_is_moved_and_cleared, a_timer_is_taken_once,
            checkpoints_move_with_their_transaction,
        );
    };
    (@ $open:expr; $($sentence:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $sentence() {
                let (_guard, ledger) = $open;
                $crate::ledger::$sentence(&ledger).await;
            }
        )*
    };
}

/// A table of the user's own, as the suite uses it.
const STOCK: Migrations = Migrations {
    component: "suite",
    steps: &[Migration {
        name: "stock",
        sql: "CREATE TABLE stock (sku VARCHAR(64) PRIMARY KEY, on_hand BIGINT NOT NULL CHECK (on_hand >= 0))",
    }],
};

fn cx() -> Context {
    Context::root()
}

fn stream(name: &str) -> StreamName {
    StreamName::new(name)
}

fn event(data: &str) -> NewEvent {
    NewEvent::new("Happened", data.to_owned())
}

fn message(key: &str, payload: &str) -> Message {
    Message::new("suite", payload.to_owned()).key(key)
}

async fn with_stock(ledger: &Ledger, sku: &'static str, on_hand: i64) {
    ledger.migrate(STOCK).await.expect("the table is made");
    ledger
        .transact(&cx(), async move |tx| {
            tx.sql("INSERT INTO stock (sku, on_hand) VALUES (?1, ?2)", params![sku, on_hand]).await
        })
        .await
        .expect("stock is laid in");
}

async fn on_hand(ledger: &Ledger, sku: &str) -> i64 {
    let rows = ledger.query("SELECT on_hand FROM stock WHERE sku = ?1", params![sku]).await;
    rows.expect("stock is read").first().map_or(-1, |row| row.get(0).expect("a number"))
}
