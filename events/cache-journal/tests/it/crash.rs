//! The process is killed in the middle of its work, many times: what the ledger has acknowledged as the journal of a
//! cache is not lost, and the store sees the values of a key in order.

use std::sync::Arc;

use mamparo_cache::journal::Journal;
use mamparo_cache_journal::LedgerJournal;
use mamparo_conformance::write_behind;
use mamparo_ledger_sqlite::Options;

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_by_a_kill() {
    let this_test = "crash::nothing_that_was_acknowledged_is_lost_by_a_kill";
    let folder = tempfile::tempdir().unwrap();
    write_behind::nothing_that_was_acknowledged_is_lost_by_a_kill(this_test, folder.path(), async |folder| {
        let ledger = Options::new(folder.join("ledger.db")).open().unwrap();
        Arc::new(LedgerJournal::open(ledger, "crash").await.unwrap()) as Arc<dyn Journal>
    })
    .await;
}
