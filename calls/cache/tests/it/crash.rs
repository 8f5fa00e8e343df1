//! The process is killed in the middle of its work, many times: what was acknowledged at the level of the journal is
//! not lost, and the store sees the values of a key in order.

use std::sync::Arc;

use mamparo_cache::journal::{FileJournal, FileJournalOptions, Journal, OpenError};
use mamparo_conformance::write_behind;

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_by_a_kill() {
    let this_test = "crash::nothing_that_was_acknowledged_is_lost_by_a_kill";
    let folder = tempfile::tempdir().unwrap();
    write_behind::nothing_that_was_acknowledged_is_lost_by_a_kill(this_test, folder.path(), async |folder| {
        let options = FileJournalOptions { compact_bytes: 16 << 10 };
        loop {
            match FileJournal::open(folder.join("journal"), options.clone()) {
                Ok(journal) => return Arc::new(journal) as Arc<dyn Journal>,
                Err(OpenError::InUse { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await;
}
