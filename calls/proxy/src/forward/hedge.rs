//! A request that takes longer than most is sent a second time, to another endpoint where there is one, and the first
//! answer counts. The other is dropped, and its connection with it.
//!
//! A request with a body is sent once: bodies are passed on while they come, and are not held back for this.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use http::Request;
use mamparo_context::{Context, Fault, IdempotencyKey, TraceContext};
use mamparo_policy::Outcome;
use mamparo_policy::stack::{Cause, Stack};

use super::spare::Spare;
use super::{Answered, Errand, Upload};
use crate::problem::Problem;
use crate::{admit, forward};

/// Sends a request of a route that has a hedge.
pub(super) async fn send(
    hedge: &Arc<Stack>,
    errand: Errand<'_>,
    request: Request<Upload>,
    trace: &TraceContext,
) -> Result<Answered, Problem> {
    let Some(spare) = Spare::of(&request, &errand) else { return errand.send(request, trace).await };
    let (cx, beside) = (context(&spare, &errand, trace), Rc::<RefCell<_>>::default());
    let mut first = Some(request);
    let begin = |_: Context| {
        let request = first.take().or_else(|| spare.again());
        let errand = Errand { beside: Some(Rc::clone(&beside)), ..errand.clone() };
        async move { errand.send(request.ok_or(Problem::BodyBroken)?, trace).await }
    };
    let meant = |sent: &Result<Answered, Problem>| {
        let outcome = forward::outcome(sent.as_ref().map_err(|problem| *problem));
        outcome.unwrap_or(Outcome::Failure(Fault::caller()))
    };
    hedge.call_with(&cx, meant, begin).await.map_err(|error| match error.cause {
        Cause::Failed(problem) => problem,
        Cause::Refused(refusal) => Problem::Refused(refusal),
        Cause::TimedOut { .. } => Problem::Deadline,
        Cause::Injected { sent } => Problem::Injected { sent },
    })
}

/// What the hedge is to know. One whose method says that asking twice does what asking once does may be sent twice, as
/// one that has a key.
fn context(spare: &Spare, errand: &Errand<'_>, trace: &TraceContext) -> Context {
    let cx = spare.context(errand.context(trace));
    let own = std::str::from_utf8(&admit::hex(trace.trace_id()))
        .ok()
        .and_then(|id| id.parse::<IdempotencyKey>().ok())
        .filter(|_| spare.is_idempotent());
    match own {
        Some(own) if cx.idempotency_key().is_none() => cx.with_idempotency_key(own),
        _ => cx,
    }
}
