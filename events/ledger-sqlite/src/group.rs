//! Units of work that share one transaction, and how each of them is run: polled once, in its own savepoint.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

use mamparo_ledger::{Error, Result, RunFuture, Unit};

/// A unit of work that was run, with what became of it. The caller learns of it only once the group is on disk.
pub(crate) struct Member {
    pub(crate) unit: Box<dyn Unit>,
    pub(crate) outcome: Result<()>,
}

/// Units that are to be run again: each inner list is a group of its own.
pub(crate) type Again = Vec<Vec<Box<dyn Unit>>>;

/// Polls a unit's future once. Everything a unit may await is ready at once, so one that is not is waiting for
/// something else, and would keep every other caller waiting with it.
pub(crate) fn poll_once(mut future: RunFuture<'_>) -> Result<()> {
    let mut cx = Context::from_waker(Waker::noop());
    match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx))) {
        Ok(Poll::Ready(result)) => result,
        Ok(Poll::Pending) => Err(Error::ForeignAwait),
        Err(panic) => Err(Error::Panicked(message(&*panic))),
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("panic without a message").to_owned()
}

/// The engine dropped the whole transaction while `culprit` ran: the others run again together, it runs alone.
/// A unit that may not run again is told so; nothing of it has happened.
pub(crate) fn split(others: Vec<Member>, culprit: Member) -> Again {
    let others: Vec<_> = others.into_iter().filter_map(run_again).collect();
    let culprit: Vec<_> = run_again(culprit).into_iter().collect();
    [others, culprit].into_iter().filter(|group| !group.is_empty()).collect()
}

/// The commit of a group failed, and nobody can say through whom: everybody runs alone.
pub(crate) fn scatter(members: Vec<Member>) -> Again {
    members.into_iter().filter_map(run_again).map(|unit| vec![unit]).collect()
}

fn run_again(member: Member) -> Option<Box<dyn Unit>> {
    if member.unit.may_run_again() {
        return Some(member.unit);
    }
    member.unit.finish(Err(Error::Aborted("the group it ran in was dropped".into())));
    None
}
