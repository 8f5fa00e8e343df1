//! What happens to requests of some routes before they are simply sent: faults on purpose make a share of them slow, have
//! them fail, or throw their answer away, and a hedge sends a second one beside a slow one.

use std::pin::Pin;
use std::sync::Arc;

use http::Request;
use mamparo_context::TraceContext;
use mamparo_policy::fault_injection::{FaultInjection, Then};
use mamparo_policy::stack::Stack;
use tokio::time::sleep_until;

use super::{Answered, Errand, Upload, hedge};
use crate::limits::after;
use crate::problem::Problem;
use crate::route::Settings;

/// A request on its way, in a box: routes without detours do not carry it.
type Boxed<'f> = Pin<Box<dyn Future<Output = Result<Answered, Problem>> + 'f>>;

/// What happens before a request is simply sent.
#[derive(Clone, Copy)]
pub(crate) struct Detour<'a> {
    faults: Option<&'a FaultInjection>,
    hedge: Option<&'a Arc<Stack>>,
}

impl<'a> Detour<'a> {
    pub(super) fn of(settings: &'a Settings) -> Option<Self> {
        let faults = settings.policies.as_ref().and_then(|policies| policies.faults());
        let hedge = settings.hedge.as_ref();
        (faults.is_some() || hedge.is_some()).then_some(Self { faults, hedge })
    }

    /// Sends the request by this way. What is made to wait waits within its deadline.
    pub(super) fn send<'f>(
        self,
        errand: Errand<'f>,
        request: Request<Upload>,
        trace: &'f TraceContext,
    ) -> Boxed<'f>
    where
        'a: 'f,
    {
        Box::pin(async move {
            let injection =
                self.faults.map(|faults| faults.decide(&errand.context(trace))).unwrap_or_default();
            if let Some(delay) = injection.delay {
                let until = after(errand.worker.clock.now(), delay);
                sleep_until(until.min(errand.deadline).into()).await;
                if until >= errand.deadline {
                    return Err(Problem::Deadline);
                }
            }
            if injection.then == Then::Fail {
                return Err(Problem::Injected { sent: false });
            }
            let sent = match self.hedge {
                Some(hedge) => hedge::send(hedge, errand, request, trace).await,
                None => errand.send(request, trace).await,
            };
            match injection.then {
                Then::Abort if sent.is_ok() => Err(Problem::Injected { sent: true }),
                _ => sent,
            }
        })
    }
}
