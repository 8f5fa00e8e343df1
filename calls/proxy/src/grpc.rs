//! gRPC as far as a proxy speaks it itself: how a call is told from other requests, how long it says that it may take,
//! and how a failure is told to a client that reads `grpc-status` and no HTTP status
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>). Pure.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

pub(crate) const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Most digits of a `grpc-timeout`.
const DIGITS: usize = 8;

/// What a call is spoken in, by its number in [`SPOKEN`]: an answer says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call(u8);

const SPOKEN: [&str; 9] = [
    "application/grpc",
    "application/grpc+proto",
    "application/grpc+json",
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web+json",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
    "application/grpc-web-text+json",
];

impl Call {
    /// Whether the headers are those of a call.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let content = headers.get(header::CONTENT_TYPE)?.as_bytes();
        let essence = content.split(|byte| *byte == b';').next()?.trim_ascii();
        let family = SPOKEN[0].len();
        if !essence.get(..family)?.eq_ignore_ascii_case(SPOKEN[0].as_bytes()) {
            return None;
        }
        let spoken = |text: &[u8]| {
            let all = (0_u8..).zip(SPOKEN);
            all.filter(|(_, own)| own.as_bytes().eq_ignore_ascii_case(text))
                .map(|(number, _)| Self(number))
                .next()
        };
        spoken(essence).or_else(|| {
            // In a form that only the two ends know: `application/grpc+avro`.
            let (family, form) = essence.split_at_checked(essence.iter().position(|byte| *byte == b'+')?)?;
            spoken(family).filter(|_| form.len() > 1)
        })
    }

    /// What the answer says that it is.
    fn content(self) -> &'static str {
        SPOKEN.get(usize::from(self.0)).copied().unwrap_or(SPOKEN[0])
    }
}

/// How long the call may take, by what its client says.
///
/// # Errors
/// It says so in another way than the protocol has it, or more than once.
pub(crate) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Malformed> {
    let mut values = headers.get_all(TIMEOUT).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => parse(value.as_bytes()).map(Some).ok_or(Malformed),
        _ => Err(Malformed),
    }
}

/// A `grpc-timeout` that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

fn parse(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    let is_number = (1..=DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    if !is_number {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// What is left of the time of a call, never more than that and never nothing: in the finest unit from microseconds on
/// whose number fits.
pub(crate) fn left(time: Duration) -> HeaderValue {
    const MOST: u128 = 10_u128.pow(DIGITS as u32) - 1;
    let micros = time.as_micros().max(1);
    let units = [(1, 'u'), (1_000, 'm'), (1_000_000, 'S'), (60_000_000, 'M'), (3_600_000_000, 'H')];
    let fits =
        units.into_iter().map(|(size, unit)| (micros / size, unit)).find(|(number, _)| *number <= MOST);
    let (number, unit) = fits.unwrap_or((MOST, 'H'));
    HeaderValue::try_from(format!("{number}{unit}")).unwrap_or_else(|_| HeaderValue::from_static("1u"))
}

/// The status of gRPC that says what a status of HTTP says.
pub(crate) const fn status(http: StatusCode) -> u8 {
    match http.as_u16() {
        200 => 0,
        408 | 504 => 4,
        409 => 10,
        412 | 428 => 9,
        401 => 16,
        403 => 7,
        404 | 405 | 501 => 12,
        413 | 429 | 431 => 8,
        400..=499 | 505 => 3,
        503 => 14,
        500..=599 => 13,
        _ => 2,
    }
}

/// The answer to a call without one: a head that is its trailers too.
pub(crate) fn trailers_only(call: Call, http: StatusCode, message: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(call.content()));
    headers.insert(STATUS, HeaderValue::from(u16::from(status(http))));
    if let Ok(message) = HeaderValue::try_from(encoded(message)) {
        headers.insert(MESSAGE, message);
    }
    response
}

/// A message as `grpc-message` has it: what is not a visible letter of ASCII, and `%`, as `%` and two digits.
fn encoded(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn a_call_is_told_by_what_it_is_spoken_in() {
        for (content, call) in [
            ("application/grpc", Some("application/grpc")),
            ("Application/gRPC+proto; x=y", Some("application/grpc+proto")),
            ("application/grpc+avro", Some("application/grpc")),
            ("application/grpc-web ;x", Some("application/grpc-web")),
            ("application/grpc-web-text+proto", Some("application/grpc-web-text+proto")),
            ("application/grpc-web-text+x", Some("application/grpc-web-text")),
            ("application/grpcx", None),
            ("application/grpc+", None),
            ("application/grpc-webs", None),
            ("application/json", None),
            ("text/plain; x=application/grpc", None),
            ("", None),
        ] {
            assert_eq!(Call::of(&map(&[("content-type", content)])).map(Call::content), call, "{content}");
        }
        assert_eq!(Call::of(&HeaderMap::new()), None);
    }

    #[test]
    fn a_timeout_is_read_as_the_protocol_has_it() {
        for (text, time) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("99999999S", Some(Duration::from_secs(99_999_999))),
            ("50m", Some(Duration::from_millis(50))),
            ("7u", Some(Duration::from_micros(7))),
            ("00000009n", Some(Duration::from_nanos(9))),
            ("0n", Some(Duration::ZERO)),
            ("", None),
            ("1", None),
            ("m", None),
            ("123456789m", None),
            ("-1S", None),
            ("+1S", None),
            ("1.5S", None),
            ("1s", None),
            ("1 S", None),
            ("1h", None),
        ] {
            let read = timeout(&map(&[("grpc-timeout", text)]));
            assert_eq!(read.ok(), time.map(Some), "{text}");
        }
        assert_eq!(timeout(&HeaderMap::new()), Ok(None));
        assert_eq!(timeout(&map(&[("grpc-timeout", "1S"), ("grpc-timeout", "1S")])), Err(Malformed));
    }

    #[test]
    fn what_is_left_is_written_so_that_it_fits() {
        for (time, text) in [
            (Duration::ZERO, "1u"),
            (Duration::from_nanos(1), "1u"),
            (Duration::from_millis(50), "50000u"),
            (Duration::from_micros(99_999_999), "99999999u"),
            (Duration::from_micros(100_000_999), "100000m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::from_secs(365 * 86_400), "31536000S"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(left(time), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_left_is_never_more_than_that(micros in 1_u64..1 << 58) {
            let time = Duration::from_micros(micros);
            let read = parse(left(time).as_bytes()).unwrap();
            proptest::prop_assert!(read <= time && read * 2 > time, "{read:?} {time:?}");
        }
    }

    #[test]
    fn every_status_has_its_like() {
        for (http, grpc) in [
            (400, 3),
            (401, 16),
            (403, 7),
            (404, 12),
            (405, 12),
            (408, 4),
            (413, 8),
            (414, 3),
            (415, 3),
            (429, 8),
            (431, 8),
            (500, 13),
            (501, 12),
            (502, 13),
            (503, 14),
            (504, 4),
            (505, 3),
            (302, 2),
        ] {
            assert_eq!(status(StatusCode::from_u16(http).unwrap()), grpc, "{http}");
        }
    }

    #[test]
    fn a_failure_is_a_head_that_is_its_trailers() {
        let call = Call::of(&map(&[("content-type", "application/grpc-web+proto")])).unwrap();
        let answer = trailers_only(call, StatusCode::NOT_FOUND, "100 % \u{e9}\n");
        assert_eq!((answer.status(), answer.body().len()), (StatusCode::OK, 0));
        for (name, value) in [
            ("content-type", "application/grpc-web+proto"),
            ("grpc-status", "12"),
            ("grpc-message", "100 %25 %C3%A9%0A"),
        ] {
            assert_eq!(answer.headers()[name], value);
        }
    }
}
