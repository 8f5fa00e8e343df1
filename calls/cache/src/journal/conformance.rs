//! What every journal must do, to be run against one that somebody else has written. It names what does not hold.

use super::{Journal, JournalError, Record};

/// A journal does not do what it must.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a journal: {what}")]
pub struct Violation {
    /// What does not hold.
    pub what: String,
}

impl From<JournalError> for Violation {
    fn from(error: JournalError) -> Self {
        Self { what: error.to_string() }
    }
}

/// Checks a journal. `open` opens the same, empty at first, as often as it is called; what was opened before has
/// been dropped by then.
///
/// # Errors
/// What does not hold.
pub async fn check<J: Journal>(open: impl AsyncFn() -> J) -> Result<(), Violation> {
    let journal = open().await;
    holds(read(&journal).await?.is_empty(), "a new journal is empty")?;
    journal.append(Vec::new()).await?;
    journal.acknowledge(Vec::new()).await?;

    let records: Vec<Record> = (1..=40_u64).map(|number| record(number * 1_000, number as usize)).collect();
    for chunk in records.chunks(7) {
        journal.append(chunk.to_vec()).await?;
    }
    holds(read(&journal).await? == records, "what was appended is replayed, in order")?;
    drop(journal);

    let journal = open().await;
    holds(read(&journal).await? == records, "also after it was opened again")?;
    journal.acknowledge(vec![1_000, 3_000, 40_000, 77]).await?;
    journal.acknowledge(vec![3_000]).await?;
    let kept: Vec<Record> =
        records.iter().filter(|record| ![1_000, 3_000, 40_000].contains(&record.id)).cloned().collect();
    holds(read(&journal).await? == kept, "what was acknowledged is not replayed, unknown ids are ignored")?;
    check_pages(&journal, &kept).await?;

    // What follows makes the acknowledgements before it survive.
    journal.append(vec![record(u64::MAX - 1, 0)]).await?;
    drop(journal);
    let journal = open().await;
    let kept: Vec<Record> = kept.into_iter().chain([record(u64::MAX - 1, 0)]).collect();
    holds(read(&journal).await? == kept, "an acknowledgement survives together with what came after it")?;
    journal.acknowledge(kept.iter().map(|record| record.id).collect()).await?;
    holds(read(&journal).await?.is_empty(), "at last it is empty again")?;
    check_many(&journal).await
}

async fn check_pages<J: Journal>(journal: &J, kept: &[Record]) -> Result<(), Violation> {
    let first = journal.replay(None, 5).await?;
    holds(first == kept[..5], "a page has as many records as were asked for")?;
    let second = journal.replay(first.last().map(|record| record.id), 5).await?;
    holds(second == kept[5..10], "the next page begins after the last id")?;
    let rest = journal.replay(Some(2_500), usize::MAX >> 1).await?;
    let expected: Vec<Record> = kept.iter().filter(|record| record.id > 2_500).cloned().collect();
    holds(rest == expected, "an id between two records is a place, too")?;
    holds(journal.replay(Some(u64::MAX), 5).await?.is_empty(), "nothing is after the last id there is")?;
    holds(journal.replay(None, 0).await?.is_empty(), "a page of nothing is empty")
}

/// Many who append at the same time, and some who no longer wait.
async fn check_many<J: Journal>(journal: &J) -> Result<(), Violation> {
    let mut appends: Vec<_> = (0..50_u64).map(|at| journal.append(vec![record(at * 10 + 1, 64)])).collect();
    let mut results = vec![None; appends.len()];
    std::future::poll_fn(|task| {
        for (append, result) in appends.iter_mut().zip(&mut results) {
            if result.is_none()
                && let std::task::Poll::Ready(done) = append.as_mut().poll(task)
            {
                *result = Some(done);
            }
        }
        if results.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    for result in results.into_iter().flatten() {
        result?;
    }
    drop(appends);
    holds(read(journal).await?.len() == 50, "those who append at the same time are all heard")?;
    drop(journal.append(vec![record(9_999, 1)]));
    let last = read(journal).await?.pop().map(|record| record.id);
    holds(matches!(last, Some(491 | 9_999)), "an append that is dropped happens or does not")
}

async fn read<J: Journal>(journal: &J) -> Result<Vec<Record>, Violation> {
    Ok(journal.replay(None, 1 << 20).await?)
}

fn record(id: u64, size: usize) -> Record {
    Record { id, payload: (0..size).map(|at| at as u8).collect::<Vec<u8>>().into() }
}

fn holds(holds: bool, what: &str) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { what: what.to_owned() }) }
}
