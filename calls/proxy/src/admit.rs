//! Third stop: may it go now. Every request gets a deadline, which a client may shorten, a place in a trace, and
//! a bound for its body.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http_body::Body as _;
use hyper::body::Incoming;
use mamparo_context::{Context, Criticality, Random, SpanId, TraceContext, TraceId, http as context};
use mamparo_policy::stack::{Stack, StackPermit};

use crate::grpc::{self, Call};
use crate::limits::{Limits, after};
use crate::problem::Problem;
use crate::respond::Taken;
use crate::route::Settings;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const CRITICALITY: HeaderName = HeaderName::from_static(context::CRITICALITY);
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
pub(crate) const TIMEOUT: HeaderName = HeaderName::from_static(context::TIMEOUT);

/// The moment by which the answer must be whole: what the route allows, or less where the client asks for less.
pub(crate) fn deadline(
    headers: &HeaderMap,
    call: Option<Call>,
    settings: &Settings,
    started: Instant,
) -> Result<Instant, Problem> {
    let malformed =
        Problem::Header { name: context::TIMEOUT, expected: "a whole number of milliseconds from 1 on" };
    let mut values = headers.get_all(TIMEOUT).iter();
    let time = match (values.next(), values.next()) {
        (None, _) => settings.request_timeout,
        (Some(value), None) => {
            let millis = value.to_str().ok().and_then(|text| text.parse::<u64>().ok());
            let millis = millis.filter(|millis| *millis > 0).ok_or(malformed)?;
            settings.request_timeout.min(Duration::from_millis(millis))
        }
        _ => return Err(malformed),
    };
    let time = if call.is_some() { time.min(call_time(headers)?) } else { time };
    if time.is_zero() { Err(Problem::Deadline) } else { Ok(after(started, time)) }
}

/// How long a call of gRPC may take, by what its client says.
fn call_time(headers: &HeaderMap) -> Result<Duration, Problem> {
    let expected = "at most eight digits and one of H, M, S, m, u, n";
    match grpc::timeout(headers) {
        Ok(time) => Ok(time.unwrap_or(Duration::MAX)),
        Err(grpc::Malformed) => Err(Problem::Header { name: "grpc-timeout", expected }),
    }
}

/// Writes what is left of the deadline; for a call of gRPC as its service reads it, too.
pub(crate) fn write_remaining(headers: &mut HeaderMap, is_call: bool, deadline: Instant, now: Instant) {
    let time = deadline.saturating_duration_since(now);
    let left = time.as_millis().max(1);
    headers.insert(TIMEOUT, HeaderValue::from(u64::try_from(left).unwrap_or(u64::MAX)));
    if is_call {
        headers.insert(grpc::TIMEOUT, grpc::left(time));
    }
}

/// How much a request matters: what its route says, or the caller by name, or as usual. At the edge a client may say
/// less of its own, never more. The service is told.
pub(crate) fn criticality(
    headers: &mut HeaderMap,
    taken: Taken,
    settings: &Settings,
) -> Result<Criticality, Problem> {
    let said = match headers.get(CRITICALITY) {
        None if settings.criticality.is_none() => return Ok(Criticality::default()),
        None => None,
        Some(value) => {
            let expected = "one of sheddable, sheddable-plus, critical, critical-plus";
            let malformed = Problem::Header { name: context::CRITICALITY, expected };
            Some(value.to_str().ok().and_then(|text| text.parse::<Criticality>().ok()).ok_or(malformed)?)
        }
    };
    let class = match (taken, said, settings.criticality) {
        (Taken::ByName(_), Some(said), None) => said,
        (_, Some(said), own) => said.min(own.unwrap_or_default()),
        (_, None, own) => own.unwrap_or_default(),
    };
    write_criticality(headers, class);
    Ok(class)
}

/// Writes how much a request matters, where that is not as usual.
pub(crate) fn write_criticality(headers: &mut HeaderMap, class: Criticality) {
    if class == Criticality::default() {
        headers.remove(CRITICALITY);
    } else {
        headers.insert(CRITICALITY, HeaderValue::from_static(class.as_str()));
    }
}

/// Passes the policies of the route, and waits in their lines where it must.
pub(crate) async fn enter(policies: &Arc<Stack>, cx: &Context) -> Result<StackPermit, Problem> {
    // Boxed: routes without policies do not carry it.
    Box::pin(policies.enter(cx)).await.map_err(Problem::Refused)
}

/// Passes the rate limits of the route alone, which is all that an answer costs for which the service is not asked.
pub(crate) async fn enter_quotas(policies: &Arc<Stack>, cx: &Context) -> Result<StackPermit, Problem> {
    policies.enter_quotas(cx).await.map_err(Problem::Refused)
}

/// Passes the others: after the rate limits, of which there is the permit, or without them where no client asks.
pub(crate) async fn enter_others(
    policies: &Arc<Stack>,
    quotas: Option<StackPermit>,
    cx: &Context,
) -> Result<StackPermit, Problem> {
    let entering = match quotas {
        Some(quotas) => quotas.onward(cx),
        None => policies.enter_unasked(cx),
    };
    entering.await.map_err(Problem::Refused)
}

/// The trace that the request brought, if it brought one.
fn trace_of(headers: &HeaderMap) -> Option<TraceContext> {
    headers.get(TRACEPARENT)?.to_str().ok()?.parse().ok()
}

/// The place of a request in a trace, and the span it is part of, if it brought one.
pub(crate) fn place(headers: &HeaderMap, random: &Random) -> (TraceContext, Option<SpanId>) {
    match trace_of(headers) {
        Some(brought) => (brought.child(random), Some(brought.span_id())),
        None => (TraceContext::root(random, mamparo_telemetry::samples(|| random.next_u64())), None),
    }
}

/// Writes the place of the request: what the service does is part of it. Where the trace begins here, what others
/// wrote beside theirs is not carried on.
pub(crate) fn write_trace(headers: &mut HeaderMap, trace: &TraceContext, is_new: bool) {
    if is_new {
        headers.remove(TRACESTATE);
    }
    headers.insert(TRACEPARENT, traceparent(trace));
}

/// `00-<trace>-<span>-<flags>`, without a formatter: it is written for every request.
fn traceparent(trace: &TraceContext) -> HeaderValue {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    write_hex(trace.trace_id().as_bytes(), &mut text[3..35]);
    write_hex(trace.span_id().as_bytes(), &mut text[36..52]);
    text[54] = b'0' + u8::from(trace.is_sampled());
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// A trace id as text.
pub(crate) fn hex(id: TraceId) -> [u8; 32] {
    let mut text = [0; 32];
    write_hex(id.as_bytes(), &mut text);
    text
}

fn write_hex(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// How many bytes of body the request may send; one that announces more is refused before its first byte.
pub(crate) fn body_bound(body: &Incoming, settings: &Settings, limits: &Limits) -> Result<u64, Problem> {
    let bound = settings.body_bytes.unwrap_or(limits.body_bytes);
    if body.size_hint().lower() > bound { Err(Problem::BodyTooLarge) } else { Ok(bound) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header;
    use mamparo_context::Clock;

    #[test]
    fn a_client_shortens_its_deadline_and_never_extends_it() {
        let settings = Settings { request_timeout: Duration::from_secs(2), ..Settings::default() };
        let start = Clock::manual().0.now();
        let ask = |values: &[&'static str]| {
            let lines = values.iter().map(|value| (TIMEOUT, HeaderValue::from_static(value)));
            deadline(&lines.collect(), None, &settings, start).map(|at| (at - start).as_millis()).ok()
        };
        assert_eq!(ask(&[]), Some(2000));
        assert_eq!(ask(&["50"]), Some(50));
        assert_eq!(ask(&["9000"]), Some(2000));
        let endless = Settings { request_timeout: Duration::MAX, ..Settings::default() };
        assert!(deadline(&HeaderMap::new(), None, &endless, start).is_ok());
        for bad in [&["0"][..], &["-1"], &["x"], &[""], &["1", "2"]] {
            assert_eq!(ask(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_call_of_grpc_shortens_its_deadline_in_its_own_words() {
        let settings = Settings { request_timeout: Duration::from_secs(2), ..Settings::default() };
        let start = Clock::manual().0.now();
        let ask = |content: &'static str, time: &'static str, own: &'static str| {
            let lines = [(header::CONTENT_TYPE, content), (grpc::TIMEOUT, time), (TIMEOUT, own)];
            let headers = lines.map(|(name, value)| (name, HeaderValue::from_static(value)));
            let headers = headers.into_iter().collect();
            deadline(&headers, Call::of(&headers), &settings, start).map(|at| (at - start).as_millis())
        };
        let (grpc, expected) = ("application/grpc+proto", "at most eight digits and one of H, M, S, m, u, n");
        for (content, time, own, deadline) in [
            (grpc, "300m", "900", Ok(300)),
            (grpc, "1S", "900", Ok(900)),
            (grpc, "9H", "9000", Ok(2000)),
            (grpc, "0m", "900", Err(Problem::Deadline)),
            (grpc, "0.3S", "900", Err(Problem::Header { name: "grpc-timeout", expected })),
            ("application/json", "0.3S", "900", Ok(900)),
        ] {
            assert_eq!(ask(content, time, own), deadline, "{content} {time} {own}");
        }
    }

    #[test]
    fn a_client_makes_little_of_its_request_and_never_much() {
        use Criticality::{Critical, CriticalPlus, Sheddable, SheddablePlus};
        let (route, by_name) = (Taken::Route(0, Some(0)), Taken::ByName(0));
        for (taken, said, own, class) in [
            (route, None, None, Critical),
            (route, Some("critical-plus"), None, Critical),
            (route, Some("sheddable"), None, Sheddable),
            (route, None, Some(CriticalPlus), CriticalPlus),
            (route, Some("critical-plus"), Some(SheddablePlus), SheddablePlus),
            (route, Some("sheddable"), Some(CriticalPlus), Sheddable),
            (by_name, Some("critical-plus"), None, CriticalPlus),
            (by_name, None, None, Critical),
        ] {
            let settings = Settings { criticality: own, ..Settings::default() };
            let mut headers: HeaderMap =
                said.map(|said| (CRITICALITY, HeaderValue::from_static(said))).into_iter().collect();
            assert_eq!(criticality(&mut headers, taken, &settings), Ok(class), "{said:?} {own:?}");
            let told = headers.get(CRITICALITY).and_then(|told| told.to_str().ok());
            assert_eq!(told, (class != Critical).then(|| class.as_str()), "{said:?} {own:?}");
        }
        let mut headers: HeaderMap = [(CRITICALITY, HeaderValue::from_static("much"))].into_iter().collect();
        assert!(criticality(&mut headers, route, &Settings::default()).is_err());
    }

    #[test]
    fn what_is_left_is_written_and_is_never_zero() {
        let mut headers = HeaderMap::new();
        let (start, ms) = (Clock::manual().0.now(), Duration::from_millis);
        write_remaining(&mut headers, false, start + ms(70), start + ms(20));
        assert_eq!((&headers[TIMEOUT], headers.len()), (&HeaderValue::from(50), 1));
        write_remaining(&mut headers, true, start, start + ms(1000));
        assert_eq!(
            (&headers[TIMEOUT], &headers[grpc::TIMEOUT]),
            (&HeaderValue::from(1), &"1u".parse().unwrap())
        );
    }

    #[test]
    fn a_trace_is_written_as_the_standard_says() {
        let random = Random::seeded(5);
        let trace = TraceContext::root(&random, true);
        let mut headers = HeaderMap::new();
        write_trace(&mut headers, &trace, true);
        assert_eq!(headers[TRACEPARENT], trace.to_string());
        assert_eq!(trace_of(&headers).as_ref(), Some(&trace));
        let (child, parent) = place(&headers, &random);
        assert_eq!((child.trace_id(), parent), (trace.trace_id(), Some(trace.span_id())));
        assert_ne!(child.span_id(), trace.span_id());
        assert_eq!(place(&HeaderMap::new(), &random).1, None);
        assert_eq!(hex(trace.trace_id()), trace.trace_id().to_string().as_bytes());
    }
}
