//! W3C Trace Context: which trace this work belongs to (<https://www.w3.org/TR/trace-context/>).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::Random;

/// The id of a whole trace; never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// The id of one span of a trace; never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

macro_rules! hex_id {
    ($name:ident, $bytes:literal) => {
        impl $name {
            /// The id made of these bytes; `None` when they are all zero.
            pub fn from_bytes(bytes: [u8; $bytes]) -> Option<Self> {
                (bytes != [0; $bytes]).then_some(Self(bytes))
            }

            /// The bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

hex_id!(TraceId, 16);
hex_id!(SpanId, 8);

/// Longest `tracestate` that is carried on, in bytes; a longer one is dropped whole, as the standard allows.
const TRACESTATE_BYTES_MAX: usize = 512;

/// The trace, the span that is the parent of what happens next, and whether it is sampled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: TraceId,
    span_id: SpanId,
    sampled: bool,
    state: Option<Arc<str>>,
}

/// A `traceparent` that does not follow the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("traceparent is not of the form 00-<32 hex>-<16 hex>-<2 hex>")]
pub struct InvalidTraceContext;

impl TraceContext {
    /// A new trace.
    pub fn root(random: &Random, sampled: bool) -> Self {
        let mut trace = [0; 16];
        trace[..8].copy_from_slice(&random.next_u64().to_be_bytes());
        trace[8..].copy_from_slice(&(random.next_u64() | 1).to_be_bytes());
        Self { trace_id: TraceId(trace), span_id: new_span(random), sampled, state: None }
    }

    /// The same trace, one span further down.
    #[must_use]
    pub fn child(&self, random: &Random) -> Self {
        Self { span_id: new_span(random), ..self.clone() }
    }

    /// The trace that this span belongs to.
    pub const fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The span that is the parent of what happens next.
    pub const fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Whether the trace is recorded.
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The value of the `tracestate` header, if one travels along.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The same context with the vendors' `tracestate`; one over 512 bytes is dropped.
    #[must_use]
    pub fn with_state(mut self, state: &str) -> Self {
        let fits = !state.is_empty() && state.len() <= TRACESTATE_BYTES_MAX;
        self.state = fits.then(|| state.into());
        self
    }
}

fn new_span(random: &Random) -> SpanId {
    SpanId((random.next_u64() | 1).to_be_bytes())
}

impl fmt::Display for TraceContext {
    /// The value of the `traceparent` header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceContext;

    /// Reads a `traceparent`; a version above 00 is read as far as version 00 goes.
    fn from_str(text: &str) -> Result<Self, InvalidTraceContext> {
        let mut parts = text.split('-');
        let version = hex::<1>(parts.next())?;
        let trace_id = TraceId::from_bytes(hex(parts.next())?).ok_or(InvalidTraceContext)?;
        let span_id = SpanId::from_bytes(hex(parts.next())?).ok_or(InvalidTraceContext)?;
        let [flags] = hex::<1>(parts.next())?;
        if version == [0xff] || (version == [0] && parts.next().is_some()) {
            return Err(InvalidTraceContext);
        }
        Ok(Self { trace_id, span_id, sampled: flags & 1 == 1, state: None })
    }
}

fn hex<const N: usize>(part: Option<&str>) -> Result<[u8; N], InvalidTraceContext> {
    let part = part.ok_or(InvalidTraceContext)?.as_bytes();
    if part.len() != 2 * N || !part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(InvalidTraceContext);
    }
    let digit = |b: u8| if b.is_ascii_digit() { b - b'0' } else { b - b'a' + 10 };
    Ok(std::array::from_fn(|i| digit(part[2 * i]) << 4 | digit(part[2 * i + 1])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard_are_read() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace: TraceContext = text.parse().unwrap();
        assert_eq!(trace.to_string(), text);
        assert!(trace.is_sampled());
        let later = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-be-like";
        assert_eq!(later.parse::<TraceContext>().unwrap().trace_id(), trace.trace_id());
    }

    #[test]
    fn what_the_standard_forbids_is_refused() {
        for bad in [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        ] {
            assert_eq!(bad.parse::<TraceContext>(), Err(InvalidTraceContext), "{bad}");
        }
    }

    #[test]
    fn a_child_stays_in_the_trace_and_keeps_the_state() {
        let random = Random::seeded(3);
        let parent = TraceContext::root(&random, true).with_state("vendor=1");
        let child = parent.child(&random);
        assert_eq!((child.trace_id(), child.state()), (parent.trace_id(), Some("vendor=1")));
        assert_ne!(child.span_id(), parent.span_id());
        assert_eq!(parent.with_state(&"x".repeat(513)).state(), None);
    }
}
