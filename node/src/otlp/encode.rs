//! Spans as the JSON of OTLP: ids in hexadecimal digits, numbers of 64 bits as text
//! (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>).

use mamparo_telemetry::{Kind, Span, Value};
use serde_json::{Value as Json, json};

const STATUS_ERROR: u8 = 2;

/// The body of one export request.
pub(super) fn request(service: &str, spans: &[Span]) -> String {
    let resource = [
        attribute("service.name", &Value::from(service.to_owned())),
        attribute("service.version", &Value::from(env!("CARGO_PKG_VERSION"))),
        attribute("process.pid", &Value::from(std::process::id())),
    ];
    let spans: Vec<Json> = spans.iter().map(span).collect();
    json!({"resourceSpans": [{
        "resource": {"attributes": resource},
        "scopeSpans": [{"scope": {"name": "mamparo"}, "spans": spans}],
    }]})
    .to_string()
}

fn span(span: &Span) -> Json {
    let attributes: Vec<Json> = span.attributes.iter().map(|(key, value)| attribute(key, value)).collect();
    let mut json = json!({
        "traceId": hex(&span.place.trace),
        "spanId": hex(&span.place.span),
        "name": span.name,
        "kind": kind(span.kind),
        "startTimeUnixNano": nanos(span.start),
        "endTimeUnixNano": nanos(span.end),
        "attributes": attributes,
    });
    if let Some(parent) = &span.place.parent {
        json["parentSpanId"] = hex(parent).into();
    }
    if let Some(error) = &span.error {
        json["status"] = json!({"code": STATUS_ERROR, "message": error});
    }
    json
}

const fn kind(kind: Kind) -> u8 {
    match kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
        Kind::Producer => 4,
        Kind::Consumer => 5,
    }
}

fn attribute(key: &str, value: &Value) -> Json {
    let value = match value {
        Value::Text(text) => json!({"stringValue": text}),
        Value::Number(number) => json!({"intValue": number.to_string()}),
        Value::Flag(flag) => json!({"boolValue": flag}),
    };
    json!({"key": key, "value": value})
}

fn nanos(micros: i64) -> String {
    (i128::from(micros.max(0)) * 1_000).to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use mamparo_telemetry::{Place, spans};

    use super::*;

    #[test]
    fn a_span_is_written_as_the_standard_says() {
        let place = Place { trace: [0xab; 16], span: [1; 8], parent: Some([2; 8]) };
        let mut one = Span::begin(spans::CONSUME, Kind::Consumer, place, 1_700_000_000_000_001);
        one.end = one.start + 5;
        one.knows("mamparo.attempt", 2_u32);
        one.knows("again", true);
        one.fails("no stock");
        let json: Json = serde_json::from_str(&request("orders", &[one])).unwrap();
        let resource = &json["resourceSpans"][0]["resource"]["attributes"][0];
        assert_eq!(resource, &json!({"key": "service.name", "value": {"stringValue": "orders"}}));
        assert_eq!(
            json["resourceSpans"][0]["scopeSpans"][0]["spans"][0],
            json!({
                "traceId": "abababababababababababababababab",
                "spanId": "0101010101010101",
                "parentSpanId": "0202020202020202",
                "name": "mamparo.consume",
                "kind": 5,
                "startTimeUnixNano": "1700000000000001000",
                "endTimeUnixNano": "1700000000000006000",
                "attributes": [
                    {"key": "mamparo.attempt", "value": {"intValue": "2"}},
                    {"key": "again", "value": {"boolValue": true}},
                ],
                "status": {"code": 2, "message": "no stock"},
            })
        );
    }
}
