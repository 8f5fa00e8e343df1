//! How long an answer took to its head, for whoever looks at it in a browser: `server-timing` (W3C Server Timing), with
//! `total` from the header of the request on, and `service` for what of it was spent on connecting, sending and waiting.

use std::time::{Duration, Instant};

use http::header::{HeaderMap, HeaderName, HeaderValue};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// When the service was asked, and when it had answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Timing {
    pub(super) asked: Option<Instant>,
    pub(super) answered: Option<Instant>,
}

impl Timing {
    /// Adds what is known at `now` about a request that came at `started` to what its service says of itself.
    pub(super) fn write(self, headers: &mut HeaderMap, started: Instant, now: Instant) {
        let mut text = format!("total;dur={}", millis(now.saturating_duration_since(started)));
        if let (Some(asked), Some(answered)) = (self.asked, self.answered) {
            text.push_str(", service;dur=");
            text.push_str(&millis(answered.saturating_duration_since(asked)));
        }
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.append(SERVER_TIMING, value);
        }
    }
}

/// Milliseconds, to the microsecond.
fn millis(time: Duration) -> String {
    let micros = time.as_micros();
    format!("{}.{:03}", micros / 1000, micros % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mamparo_context::Clock;

    #[test]
    fn what_a_service_says_of_itself_stays_and_what_is_not_known_is_left_out() {
        let (started, micros) = (Clock::manual().0.now(), Duration::from_micros);
        let mut headers = HeaderMap::new();
        headers.insert(SERVER_TIMING, HeaderValue::from_static("db;dur=1"));
        let timing = Timing { asked: Some(started + micros(5)), answered: Some(started + micros(1005)) };
        timing.write(&mut headers, started, started + micros(12_345));
        Timing::default().write(&mut headers, started, started + micros(1));
        let values: Vec<_> = headers.get_all(SERVER_TIMING).iter().collect();
        assert_eq!(values, ["db;dur=1", "total;dur=12.345, service;dur=1.000", "total;dur=0.001"]);
    }
}
