//! A handler with its type erased, and the context in which it runs.

use std::pin::Pin;

use mamparo_context::{Attempt, Clock, Context};
use mamparo_ledger::{Message, Result, Tx};

use crate::Expired;

/// What a handler returns; it lives on the thread of the ledger, so it need not be `Send`.
pub(crate) type Handling<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

pub(crate) trait Handler: Send + Sync + 'static {
    fn handle<'a, 'c>(&'a self, tx: &'a mut Tx<'c>, message: &'a Message) -> Handling<'a>
    where
        'c: 'a;
}

impl<F> Handler for F
where
    F: for<'t, 'c> AsyncFn(&'t mut Tx<'c>, &'t Message) -> Result<()> + Send + Sync + 'static,
{
    fn handle<'a, 'c>(&'a self, tx: &'a mut Tx<'c>, message: &'a Message) -> Handling<'a>
    where
        'c: 'a,
    {
        Box::pin(self(tx, message))
    }
}

/// The context of the message, as that of the transaction that handles it.
pub(crate) fn context(message: &Message, attempt: u32, expired: Expired, clock: &Clock) -> Context {
    let cx = message.context(clock).with_attempt(Attempt::new(attempt).unwrap_or(Attempt::FIRST));
    match expired {
        Expired::DeadLetter => cx,
        Expired::Handle => without_deadline(&cx),
    }
}

fn without_deadline(cx: &Context) -> Context {
    let mut own =
        Context::from_trace(cx.trace().clone()).with_criticality(cx.criticality()).with_attempt(cx.attempt());
    if let Some(key) = cx.idempotency_key() {
        own = own.with_idempotency_key(key.clone());
    }
    if let Some(principal) = cx.principal() {
        own = own.with_principal(principal.clone());
    }
    own
}
