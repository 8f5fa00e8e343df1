//! The span of what a consumer does with a message, so that what it publishes is part of it.

use mamparo_context::{Clock, Context, Random};
use mamparo_ledger::{Message, Result};
use mamparo_telemetry::{Kind, Place, Span, is_recording, spans};

/// A span that has begun, if it is to be recorded.
pub(crate) struct Trace(Option<Span>);

impl Trace {
    /// The context in which `message` is handled, and the span of it. Where spans are not recorded it is the context
    /// of the message itself.
    pub(crate) fn begin(cx: Context, message: &Message, random: &Random, clock: &Clock) -> (Context, Self) {
        if !is_recording() || !cx.trace().is_sampled() {
            return (cx, Self(None));
        }
        let own = cx.trace().child(random);
        let parent = message.get_header("traceparent").map(|_| *cx.trace().span_id().as_bytes());
        let place = Place { trace: *own.trace_id().as_bytes(), span: *own.span_id().as_bytes(), parent };
        let mut span = Span::begin(spans::CONSUME, Kind::Consumer, place, clock.wall().as_micros());
        span.knows("messaging.system", "mamparo");
        span.knows("messaging.destination.name", message.topic.to_string());
        span.knows("mamparo.attempt", cx.attempt().number());
        (cx.with_trace(own), Self(Some(span)))
    }

    /// It has ended: the transaction is on disk, or it is not.
    pub(crate) fn end<T>(self, consumer: &str, count: usize, result: &Result<T>, clock: &Clock) {
        let Self(Some(mut span)) = self else { return };
        span.knows("messaging.consumer.group.name", consumer.to_owned());
        if count > 1 {
            span.knows("messaging.batch.message_count", count as u64);
        }
        if let Err(error) = result {
            span.fails(error.to_string());
        }
        span.ends(clock.wall().as_micros());
    }
}
