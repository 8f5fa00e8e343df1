//! A unit of work on its way to the engine: the caller's closure with its type erased, and the place where the
//! answer goes.

use std::pin::Pin;

use mamparo_context::Context;
use tokio::sync::oneshot;

use crate::{Error, Result, Tx};

/// What [`Unit::run`] returns. It lives on the engine's own thread, so it need not be `Send`.
pub type RunFuture<'u> = Pin<Box<dyn Future<Output = Result<()>> + 'u>>;

/// A unit of work, as an engine sees it: run it in a transaction, then finish it with what became of that.
pub trait Unit: Send {
    /// The context of the caller.
    fn context(&self) -> &Context;

    /// Whether it may be run again after its transaction was dropped.
    fn may_run_again(&self) -> bool;

    /// Runs the caller's closure in `tx`. An error means that the transaction must be rolled back.
    fn run<'u, 'c>(&'u mut self, tx: &'u mut Tx<'c>) -> RunFuture<'u>
    where
        'c: 'u;

    /// Gives the caller its answer. `Ok` is said only after the commit is on disk, and every error only after
    /// the commit of the group it was found in.
    fn finish(self: Box<Self>, outcome: Result<()>);
}

type Answer<T> = Result<T>;

pub(crate) struct Repeatable<F, T> {
    cx: Context,
    work: F,
    value: Option<T>,
    answer: oneshot::Sender<Answer<T>>,
}

pub(crate) struct Once<F, T> {
    cx: Context,
    work: Option<F>,
    value: Option<T>,
    answer: oneshot::Sender<Answer<T>>,
}

pub(crate) fn repeatable<T, F>(cx: &Context, work: F) -> (Box<dyn Unit>, oneshot::Receiver<Answer<T>>)
where
    T: Send + 'static,
    F: for<'t, 'c> AsyncFn(&'t mut Tx<'c>) -> Result<T> + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    (Box::new(Repeatable { cx: cx.clone(), work, value: None, answer }), answered)
}

pub(crate) fn once<T, F>(cx: &Context, work: F) -> (Box<dyn Unit>, oneshot::Receiver<Answer<T>>)
where
    T: Send + 'static,
    F: for<'t, 'c> AsyncFnOnce(&'t mut Tx<'c>) -> Result<T> + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    (Box::new(Once { cx: cx.clone(), work: Some(work), value: None, answer }), answered)
}

fn answer<T>(to: oneshot::Sender<Answer<T>>, outcome: Result<()>, value: Option<T>) {
    let result = outcome.and_then(|()| value.ok_or_else(|| Error::Unavailable("unit was not run".into())));
    // A caller that went away does not want to know.
    let _ = to.send(result);
}

impl<T, F> Unit for Repeatable<F, T>
where
    T: Send + 'static,
    F: for<'t, 'c> AsyncFn(&'t mut Tx<'c>) -> Result<T> + Send + 'static,
{
    fn context(&self) -> &Context {
        &self.cx
    }

    fn may_run_again(&self) -> bool {
        true
    }

    fn run<'u, 'c>(&'u mut self, tx: &'u mut Tx<'c>) -> RunFuture<'u>
    where
        'c: 'u,
    {
        Box::pin(async move {
            self.value = Some((self.work)(tx).await?);
            Ok(())
        })
    }

    fn finish(self: Box<Self>, outcome: Result<()>) {
        answer(self.answer, outcome, self.value);
    }
}

impl<T, F> Unit for Once<F, T>
where
    T: Send + 'static,
    F: for<'t, 'c> AsyncFnOnce(&'t mut Tx<'c>) -> Result<T> + Send + 'static,
{
    fn context(&self) -> &Context {
        &self.cx
    }

    fn may_run_again(&self) -> bool {
        self.work.is_some()
    }

    fn run<'u, 'c>(&'u mut self, tx: &'u mut Tx<'c>) -> RunFuture<'u>
    where
        'c: 'u,
    {
        Box::pin(async move {
            let work = self.work.take().ok_or_else(|| Error::Aborted("it may run only once".into()))?;
            self.value = Some(work(tx).await?);
            Ok(())
        })
    }

    fn finish(self: Box<Self>, outcome: Result<()>) {
        answer(self.answer, outcome, self.value);
    }
}
