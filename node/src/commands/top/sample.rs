//! The metrics of a gateway at one moment, read from their text.

use std::collections::{BTreeMap, BTreeSet};

/// What is counted of one route.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct OfRoute {
    /// Requests that were answered, by class of status; `aborted` where the client did not get all of it.
    pub(super) requests: BTreeMap<String, f64>,
    /// Upper bounds in seconds, each with the requests that took no longer.
    pub(super) buckets: Vec<(f64, f64)>,
}

/// What is counted of one service.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct OfService {
    pub(super) connects: f64,
    pub(super) connect_failures: f64,
    pub(super) reuses: f64,
    pub(super) retries: f64,
}

/// The metrics of a gateway at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) routes: BTreeMap<String, OfRoute>,
    pub(super) services: BTreeMap<String, OfService>,
    /// Breakers that do not let everything through, with their state.
    pub(super) breakers: BTreeSet<(String, String)>,
    pub(super) in_flight: f64,
    pub(super) connections: f64,
    pub(super) connections_refused: f64,
    pub(super) generation: f64,
    pub(super) refused: f64,
    pub(super) resident: f64,
}

impl Sample {
    /// Reads the OpenMetrics text. What is not known here is passed over.
    pub(super) fn parse(text: &str) -> Self {
        let mut sample = Self::default();
        text.lines().filter_map(line).for_each(|(name, labels, value)| sample.take(name, &labels, value));
        sample
    }

    fn take(&mut self, name: &str, labels: &[(&str, String)], value: f64) {
        let label =
            |wanted: &str| labels.iter().find(|(name, _)| *name == wanted).map(|(_, text)| text.clone());
        match name {
            "mamparo_proxy_requests_in_flight" => self.in_flight = value,
            "mamparo_proxy_connections" => self.connections = value,
            "mamparo_proxy_connections_refused_total" => self.connections_refused = value,
            "mamparo_config_generation" => self.generation = value,
            "mamparo_config_refused" => self.refused = value,
            "mamparo_process_resident_bytes" => self.resident = value,
            "mamparo_proxy_requests_total" => {
                if let (Some(route), Some(status)) = (label("route"), label("status")) {
                    self.routes.entry(route).or_default().requests.insert(status, value);
                }
            }
            "mamparo_proxy_request_duration_seconds_bucket" => {
                if let (Some(route), Some(bound)) = (label("route"), label("le")) {
                    let bound = bound.parse().unwrap_or(f64::INFINITY);
                    self.routes.entry(route).or_default().buckets.push((bound, value));
                }
            }
            "mamparo_breaker_state" => {
                if let (Some(target), Some(state)) = (label("target"), label("state"))
                    && value > 0.0
                    && !state.contains("closed")
                {
                    self.breakers.insert((target, state));
                }
            }
            _ => {
                if let (Some(of), Some(service)) =
                    (name.strip_prefix("mamparo_proxy_service_"), label("service"))
                {
                    let service = self.services.entry(service).or_default();
                    match of {
                        "connects_total" => service.connects = value,
                        "connect_failures_total" => service.connect_failures = value,
                        "reuses_total" => service.reuses = value,
                        "retries_total" => service.retries = value,
                        _ => {}
                    }
                }
            }
        }
    }
}

type Line<'l> = (&'l str, Vec<(&'l str, String)>, f64);

/// `name{label="text",…} value`; comments are none.
fn line(line: &str) -> Option<Line<'_>> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (text, after) = quoted(after)?;
            labels.push((label, text));
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = rest.strip_prefix('}')?;
    }
    let value = rest.trim().split(' ').next()?.parse().ok()?;
    (!name.starts_with('#')).then_some((name, labels, value))
}

/// The text up to the closing quote, its escapes resolved, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut plain, mut chars) = (String::new(), text.char_indices());
    while let Some((index, c)) = chars.next() {
        match c {
            '"' => return text.get(index + 1..).map(|rest| (plain, rest)),
            '\\' => match chars.next()?.1 {
                'n' => plain.push('\n'),
                other => plain.push(other),
            },
            _ => plain.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_gateway_is_read() {
        let sample = Sample::parse(
            "# TYPE mamparo_proxy_requests counter\n\
             mamparo_proxy_requests_total{route=\"GET /a\\\"b,}\\\\\",status=\"2xx\"} 7\n\
             mamparo_proxy_request_duration_seconds_bucket{le=\"0.001\",route=\"/a\"} 3 # {x=\"1\"} 0.5\n\
             mamparo_proxy_request_duration_seconds_bucket{le=\"+Inf\",route=\"/a\"} 4\n\
             mamparo_proxy_connections 12\n\
             mamparo_proxy_service_reuses_total{service=\"s\"} 5\n\
             mamparo_breaker_state{target=\"/a\",state=\"open\"} 1\n\
             mamparo_breaker_state{target=\"/a\",state=\"forced-closed\"} 1\n\
             mamparo_breaker_state{target=\"/b\",state=\"open\"} 0\n\
             broken{ 1\nother 1e3\n# EOF\n",
        );
        assert_eq!(sample.routes["GET /a\"b,}\\"].requests["2xx"], 7.0);
        assert_eq!(sample.routes["/a"].buckets, [(0.001, 3.0), (f64::INFINITY, 4.0)]);
        assert_eq!((sample.connections, sample.services["s"].reuses), (12.0, 5.0));
        assert_eq!(sample.breakers, BTreeSet::from([("/a".to_owned(), "open".to_owned())]));
    }
}
