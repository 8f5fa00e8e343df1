//! The spans of messages on their way to the broker. What a consumer does with a message is part of what published
//! it, as the message says; its way stands beside that.

use mamparo_broker::Message;
use mamparo_context::{Clock, Random, TraceContext};
use mamparo_telemetry::{Kind, Place, Span, is_recording, spans};

/// The spans of `messages` that are to be recorded, begun now.
pub(crate) fn begin(messages: &[Message], random: &Random, clock: &Clock) -> Vec<Span> {
    if !is_recording() {
        return Vec::new();
    }
    let start = clock.wall().as_micros();
    messages.iter().filter_map(|message| begin_one(message, random, start)).collect()
}

fn begin_one(message: &Message, random: &Random, start: i64) -> Option<Span> {
    let parent: TraceContext = message.get_header("traceparent")?.parse().ok()?;
    if !parent.is_sampled() {
        return None;
    }
    let place = Place {
        trace: *parent.trace_id().as_bytes(),
        span: *parent.child(random).span_id().as_bytes(),
        parent: Some(*parent.span_id().as_bytes()),
    };
    let mut span = Span::begin(spans::RELAY, Kind::Producer, place, start);
    span.knows("messaging.system", "mamparo");
    span.knows("messaging.destination.name", message.topic.to_string());
    Some(span)
}

/// They have ended: the broker accepted them, or this is why not.
pub(crate) fn end(spans: Vec<Span>, error: Option<&str>, clock: &Clock) {
    if spans.is_empty() {
        return;
    }
    let end = clock.wall().as_micros();
    for mut span in spans {
        if let Some(error) = error {
            span.fails(error.to_owned());
        }
        span.ends(end);
    }
}
