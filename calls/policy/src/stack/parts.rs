//! The admission policies of a stack, in the one order in which a call passes them. The order stands here, once, as
//! the list at the end of this file.

use std::sync::Arc;
use std::task::{Context as Task, Poll};

use mamparo_context::{Context, Moment};

use crate::adaptive::AdaptiveLimit;
use crate::breaker::Breaker;
use crate::bulkhead::Bulkhead;
use crate::rate_limit::{AnyStore, RateLimit, SharedRateLimit};
use crate::shed::Shedder;
use crate::throttle::Throttle;
use crate::{Admission, Admit, Counted, Mode, Outcome, Policy, Refusal};

/// Where a call stands on its way through the policies.
pub(super) enum Step {
    /// Through all of them.
    Through,
    /// It waits for one.
    Wait(Line),
    Refused(Refusal),
}

/// Which policies an attempt passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    All,
    /// Those that count requests in a time, whoever answers them.
    Quotas,
    /// The others, which are about who answers.
    Others,
}

impl Which {
    #[inline]
    const fn has(self, policy: Policy) -> bool {
        match self {
            Self::All => true,
            Self::Quotas => matches!(policy, Policy::RateLimit),
            Self::Others => !matches!(policy, Policy::RateLimit),
        }
    }
}

macro_rules! parts {
    ($($number:literal $name:ident $variant:ident: $policy:ty,)*) => {
        /// Each policy of a stack, or none.
        #[derive(Clone, Debug, Default)]
        pub(super) struct Parts {
            $(pub(super) $name: Option<Arc<$policy>>,)*
        }

        /// What an attempt holds of each policy that has let it through.
        #[derive(Default)]
        pub(super) struct Passes {
            $($name: Option<<$policy as Admission>::Pass>,)*
        }

        /// The line that an attempt waits in.
        pub(super) enum Line {
            $($variant(<$policy as Admission>::Ticket),)*
        }

        impl Parts {
            /// Takes an attempt through the policies from number `from` on. One that is refused gives back what it
            /// has taken.
            #[inline]
            pub(super) fn admit(&self, cx: &Context, now: Moment, from: u8, passes: &mut Passes) -> Step {
                self.admit_to(Which::All, (cx, now), from, passes)
            }

            /// The same with some of them.
            #[inline]
            pub(super) fn admit_to(
                &self,
                which: Which,
                (cx, now): (&Context, Moment),
                from: u8,
                passes: &mut Passes,
            ) -> Step {
                $(
                    if from <= $number
                        && which.has(<$policy>::POLICY)
                        && let Some(policy) = &self.$name
                    {
                        match policy.admit(cx, now) {
                            Admit::Admit(pass) => passes.$name = pass,
                            Admit::Wait(ticket) => return Step::Wait(Line::$variant(ticket)),
                            Admit::Refuse(refusal) => {
                                self.give_back(passes);
                                return Step::Refused(refusal);
                            }
                        }
                    }
                )*
                Step::Through
            }

            /// Whether the turn of an attempt has come: then it goes on from the number that is answered.
            pub(super) fn poll_turn(
                &self,
                line: &mut Line,
                passes: &mut Passes,
                task: &mut Task<'_>,
            ) -> Poll<Result<u8, Refusal>> {
                match line {
                    $(Line::$variant(ticket) => {
                        let Some(policy) = &self.$name else { return Poll::Ready(Ok($number + 1)) };
                        match policy.poll_turn(ticket, task) {
                            Poll::Pending => Poll::Pending,
                            Poll::Ready(Ok(pass)) => {
                                policy.counts().admitted();
                                passes.$name = Some(pass);
                                Poll::Ready(Ok($number + 1))
                            }
                            Poll::Ready(Err(refusal)) => {
                                policy.counts().refused();
                                self.give_back(passes);
                                Poll::Ready(Err(refusal))
                            }
                        }
                    })*
                }
            }

            /// An attempt leaves the line that it waits in.
            pub(super) fn leave(&self, line: Line) {
                match line {
                    $(Line::$variant(ticket) => {
                        if let Some(policy) = &self.$name {
                            policy.leave(ticket);
                        }
                    })*
                }
            }

            /// Whether any looks at the time of a call that went well.
            #[inline]
            pub(super) fn times_success(&self) -> bool {
                $(self.$name.as_ref().is_some_and(|policy| policy.times_success()))||*
            }

            /// Each in words.
            pub(super) fn described(&self) -> Vec<(&'static str, Mode, String)> {
                let mut described = Vec::new();
                $(
                    if let Some(policy) = &self.$name {
                        described.push((<$policy>::POLICY.as_str(), policy.mode(), policy.describe()));
                    }
                )*
                described
            }

            /// What each has done.
            pub(super) fn counted(&self) -> Vec<(&'static str, Counted)> {
                let mut counted = Vec::new();
                $(
                    if let Some(policy) = &self.$name {
                        counted.push((<$policy>::POLICY.as_str(), policy.counts().read()));
                    }
                )*
                counted
            }

            /// An attempt has come to `outcome`.
            #[inline]
            pub(super) fn record(&self, passes: &mut Passes, outcome: &Outcome, now: Moment) {
                $(
                    if let (Some(policy), Some(pass)) = (&self.$name, passes.$name.take()) {
                        policy.record(pass, outcome, now);
                    }
                )*
            }

            /// An attempt was dropped.
            pub(super) fn cancel(&self, passes: &mut Passes) {
                $(
                    if let (Some(policy), Some(pass)) = (&self.$name, passes.$name.take()) {
                        policy.counts().cancelled();
                        policy.cancel(pass);
                    }
                )*
            }

            /// An attempt was never made.
            #[cold]
            pub(super) fn give_back(&self, passes: &mut Passes) {
                $(
                    if let (Some(policy), Some(pass)) = (&self.$name, passes.$name.take()) {
                        policy.give_back(pass);
                    }
                )*
            }
        }
    };
}

// The cheapest to refuse first; what is held while a call runs, after what may make it wait; the breaker last, so that
// what it sees is the dependency alone.
parts! {
    0 throttle Throttle: Throttle,
    1 rate_limit RateLimit: RateLimit,
    2 shared_rate_limit SharedRateLimit: SharedRateLimit<AnyStore>,
    3 shed Shed: Shedder,
    4 bulkhead Bulkhead: Bulkhead,
    5 adaptive Adaptive: AdaptiveLimit,
    6 breaker Breaker: Breaker,
}
