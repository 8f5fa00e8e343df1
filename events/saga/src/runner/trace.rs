//! The span of a turn: part of what caused it, and what its commands are part of.

use mamparo_context::{Random, TraceContext};
use mamparo_ledger::Tx;
use mamparo_telemetry::{Kind, Place, Span, is_recording, spans};

use super::store::Stored;

/// The place in the trace that a turn gives to its commands, and its span, if that is to be recorded.
pub(super) struct Trace {
    pub(super) of_commands: TraceContext,
    span: Option<Span>,
}

impl Trace {
    /// A turn is part of the transaction in which it happens; one that a timer or another trace caused is part of
    /// the beginning of its saga. A unit of work that runs again has its turn again, under another span.
    pub(super) fn begin(tx: &Tx<'_>, stored: &Stored) -> Self {
        let of_saga = &stored.trace;
        if !is_recording() || !of_saga.is_sampled() {
            return Self { of_commands: of_saga.clone(), span: None };
        }
        let cause = tx.context().trace();
        let parent = if cause.trace_id() == of_saga.trace_id() { cause } else { of_saga };
        let own = parent.child(&Random::system());
        let place = Place {
            trace: *own.trace_id().as_bytes(),
            span: *own.span_id().as_bytes(),
            parent: Some(*parent.span_id().as_bytes()),
        };
        let span = Span::begin(spans::SAGA, Kind::Internal, place, tx.clock().wall().as_micros());
        Self { of_commands: own, span: Some(span) }
    }

    /// The turn is done; whether it is on disk the span of its transaction says.
    pub(super) fn end(self, tx: &Tx<'_>, stored: &Stored) {
        let Some(mut span) = self.span else { return };
        span.knows("mamparo.saga", stored.state.id().as_str().to_owned());
        span.knows("mamparo.saga.definition", stored.state.definition().to_owned());
        span.knows("mamparo.saga.status", stored.state.status.as_str());
        span.ends(tx.clock().wall().as_micros());
    }
}
