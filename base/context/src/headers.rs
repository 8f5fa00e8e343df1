//! How a context is written into the headers of a request or a message, and read from them again.
//!
//! A request carries the time that *remains* (clocks of machines differ, and a request is answered now); a
//! message carries the wall time of its deadline (it may rest for hours). A header that is missing takes its
//! default; one that is malformed is an error of the sender for a request, and is passed over in a message,
//! which cannot be sent back.

use std::time::Duration;

use crate::{Attempt, Clock, Context, Deadline, IdempotencyKey, Principal, Random, Timestamp, TraceContext};

/// Where headers are read from and written to.
pub trait Carrier {
    /// The value of the header `name` (lower case), if it is there once and is text.
    fn get(&self, name: &str) -> Option<&str>;
    /// Sets the header `name` (lower case) in place of what was there.
    fn set(&mut self, name: &'static str, value: String);
}

impl Carrier for Vec<(String, String)> {
    fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.retain(|(own, _)| own != name);
        self.push((name.to_owned(), value));
    }
}

/// A header of a request that does not follow its form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("header {name} is malformed: {expected}")]
pub struct HeaderError {
    /// The header.
    pub name: &'static str,
    /// What it should have been.
    pub expected: &'static str,
}

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
const CRITICALITY: &str = "mamparo-criticality";
const ATTEMPT: &str = "mamparo-attempt";
const PRINCIPAL: &str = "mamparo-principal";
const IDEMPOTENCY_KEY: &str = "idempotency-key";

fn write_common(cx: &Context, to: &mut impl Carrier) {
    to.set(TRACEPARENT, cx.trace().to_string());
    if let Some(state) = cx.trace().state() {
        to.set(TRACESTATE, state.to_owned());
    }
    if cx.criticality() != Default::default() {
        to.set(CRITICALITY, cx.criticality().as_str().to_owned());
    }
    if cx.attempt() != Attempt::FIRST {
        to.set(ATTEMPT, cx.attempt().number().to_string());
    }
    if let Some(key) = cx.idempotency_key() {
        to.set(IDEMPOTENCY_KEY, key.as_str().to_owned());
    }
}

/// A malformed `traceparent` starts a new trace, as the standard demands; it is never an error.
fn read_trace(from: &impl Carrier) -> TraceContext {
    match from.get(TRACEPARENT).and_then(|text| text.parse::<TraceContext>().ok()) {
        Some(trace) => match from.get(TRACESTATE) {
            Some(state) => trace.with_state(state),
            None => trace,
        },
        None => TraceContext::root(&Random::system(), true),
    }
}

fn parse<T>(
    from: &impl Carrier,
    name: &'static str,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, HeaderError> {
    match from.get(name) {
        Some(text) => parse(text).map(Some).ok_or(HeaderError { name, expected }),
        None => Ok(None),
    }
}

fn read_common(from: &impl Carrier) -> Result<Context, HeaderError> {
    let mut cx = Context::from_trace(read_trace(from));
    let classes = "one of sheddable, sheddable-plus, critical, critical-plus";
    if let Some(class) = parse(from, CRITICALITY, classes, |text| text.parse().ok())? {
        cx = cx.with_criticality(class);
    }
    let number = "a whole number from 1 on";
    if let Some(attempt) = parse(from, ATTEMPT, number, |text| Attempt::new(text.parse().ok()?))? {
        cx = cx.with_attempt(attempt);
    }
    let key = "1 to 255 visible ASCII characters";
    if let Some(key) = parse(from, IDEMPOTENCY_KEY, key, |text| text.parse::<IdempotencyKey>().ok())? {
        cx = cx.with_idempotency_key(key);
    }
    Ok(cx)
}

/// The context in the headers of a request.
pub mod http {
    use super::*;

    /// Remaining time of the request in milliseconds, at least 1.
    pub const TIMEOUT: &str = "mamparo-timeout-ms";
    /// How much the request matters, as one of the four classes.
    pub const CRITICALITY: &str = super::CRITICALITY;

    /// Writes the context; of the deadline what is left at this moment, never less than 1 ms. The principal is
    /// not written: [`write_principal`] does that, towards a hop that is trusted.
    pub fn write(cx: &Context, clock: &Clock, to: &mut impl Carrier) {
        write_common(cx, to);
        if let Some(left) = cx.remaining(clock) {
            to.set(TIMEOUT, left.as_millis().max(1).to_string());
        }
    }

    /// Writes on whose behalf the request is made.
    pub fn write_principal(cx: &Context, to: &mut impl Carrier) {
        if let Some(principal) = cx.principal() {
            to.set(PRINCIPAL, principal.as_str().to_owned());
        }
    }

    /// Reads the context of a request. The principal is left out: [`read_principal`] reads it from a hop that is
    /// trusted.
    ///
    /// # Errors
    /// A header that does not follow its form.
    pub fn read(clock: &Clock, from: &impl Carrier) -> Result<Context, HeaderError> {
        let cx = read_common(from)?;
        let left = parse(from, TIMEOUT, "a whole number of milliseconds from 1 on", |text| {
            text.parse::<u64>().ok().filter(|millis| *millis > 0)
        })?;
        Ok(match left {
            Some(millis) => cx.with_timeout(clock, Duration::from_millis(millis)),
            None => cx,
        })
    }

    /// Reads on whose behalf a trusted hop makes this request.
    pub fn read_principal(from: &impl Carrier) -> Option<Principal> {
        from.get(PRINCIPAL).map(Principal::new)
    }
}

/// The context in the headers of a stored message.
pub mod message {
    use super::*;

    /// Wall time of the deadline, in milliseconds since 1970-01-01 UTC.
    pub const DEADLINE: &str = "mamparo-deadline-ms";

    /// Writes the context, the deadline as wall time.
    pub fn write(cx: &Context, clock: &Clock, to: &mut impl Carrier) {
        write_common(cx, to);
        if let Some(left) = cx.remaining(clock) {
            to.set(DEADLINE, (clock.wall() + left).as_millis().to_string());
        }
        super::http::write_principal(cx, to);
    }

    /// Reads the context of a message. What is malformed is passed over: a message cannot be sent back.
    pub fn read(clock: &Clock, from: &impl Carrier) -> Context {
        let mut cx = read_common(from).unwrap_or_else(|_| Context::from_trace(read_trace(from)));
        if let Some(millis) = from.get(DEADLINE).and_then(|text| text.parse::<i64>().ok()) {
            let at = Timestamp::from_micros(millis.saturating_mul(1000));
            let now = clock.now();
            cx = cx.with_deadline(Deadline::at(now.checked_add(at.since(clock.wall())).unwrap_or(now)));
        }
        match super::http::read_principal(from) {
            Some(principal) => cx.with_principal(principal),
            None => cx,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Criticality;

    fn rich(clock: &Clock) -> Context {
        Context::root()
            .with_timeout(clock, Duration::from_millis(1500))
            .with_criticality(Criticality::SheddablePlus)
            .with_attempt(Attempt::FIRST.next())
            .with_idempotency_key("k-1".parse().unwrap())
            .with_principal(Principal::new("ana"))
    }

    #[test]
    fn a_request_carries_all_but_the_principal() {
        let (clock, _) = Clock::manual();
        let cx = rich(&clock);
        let mut headers = Vec::new();
        http::write(&cx, &clock, &mut headers);
        let read = http::read(&clock, &headers).unwrap();
        assert_eq!(read.remaining(&clock), Some(Duration::from_millis(1500)));
        assert_eq!(read.criticality(), Criticality::SheddablePlus);
        assert_eq!(read.attempt().number(), 2);
        assert_eq!(read.idempotency_key().map(IdempotencyKey::as_str), Some("k-1"));
        assert_eq!(read.trace(), cx.trace());
        assert_eq!((read.principal(), http::read_principal(&headers)), (None, None));
    }

    #[test]
    fn a_message_keeps_its_deadline_while_it_rests() {
        let (clock, manual) = Clock::manual();
        let mut headers = Vec::new();
        message::write(&rich(&clock), &clock, &mut headers);
        manual.advance(Duration::from_secs(1));
        let read = message::read(&clock, &headers);
        assert_eq!(read.remaining(&clock), Some(Duration::from_millis(500)));
        assert_eq!(read.principal(), Some(&Principal::new("ana")));
        manual.advance(Duration::from_secs(9));
        assert_eq!(message::read(&clock, &headers).remaining(&clock), Some(Duration::ZERO));
    }

    #[test]
    fn a_deadline_that_has_passed_is_sent_as_one_millisecond() {
        let (clock, manual) = Clock::manual();
        let cx = rich(&clock);
        manual.advance(Duration::from_secs(5));
        let mut headers = Vec::new();
        http::write(&cx, &clock, &mut headers);
        assert_eq!(headers.get(http::TIMEOUT), Some("1"));
    }

    #[test]
    fn malformed_headers_name_themselves() {
        let (clock, _) = Clock::manual();
        for (name, value) in [
            (http::TIMEOUT, "0"),
            (http::TIMEOUT, "soon"),
            (CRITICALITY, "very"),
            (ATTEMPT, "0"),
            (IDEMPOTENCY_KEY, "two words"),
        ] {
            let headers = vec![(name.to_owned(), value.to_owned())];
            assert_eq!(http::read(&clock, &headers).unwrap_err().name, name);
            assert_eq!(message::read(&clock, &headers).attempt(), Attempt::FIRST);
        }
        let strange = vec![(TRACEPARENT.to_owned(), "junk".to_owned())];
        assert!(http::read(&clock, &strange).is_ok());
    }
}
