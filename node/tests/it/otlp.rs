//! One order is one trace, from the gateway to the last turn of its saga, and a collector gets all of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::Signal;
use serde_json::Value;

use crate::shop::{json, place_with};
use crate::world::{World, eventually, get};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENT: &str = "b7ad6b7169203331";

/// A span, and the process that exported it.
#[derive(Clone, Debug)]
struct Span {
    service: String,
    name: String,
    id: String,
    parent: String,
    json: Value,
}

/// A collector that keeps the spans of the one trace.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

impl Collector {
    /// Takes spans from now on, at the endpoint that is returned.
    fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self::default();
        let own = collector.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let own = own.clone();
                thread::spawn(move || own.take_all(stream));
            }
        });
        (collector, endpoint)
    }

    /// Takes the requests of one connection.
    fn take_all(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                match line.trim_end() {
                    "" => break,
                    line => head.push(line.to_ascii_lowercase()),
                }
            }
            assert_eq!(head[0], "post /v1/traces http/1.1");
            assert!(head.contains(&"content-type: application/json".to_owned()), "{head:?}");
            let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            self.keep(&serde_json::from_slice(&body).unwrap());
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        }
    }

    fn keep(&self, request: &Value) {
        for of_process in request["resourceSpans"].as_array().unwrap() {
            let service = of_process["resource"]["attributes"].as_array().unwrap();
            let service = service.iter().find(|one| one["key"] == "service.name").unwrap();
            let service = service["value"]["stringValue"].as_str().unwrap();
            let spans = of_process["scopeSpans"][0]["spans"].as_array().unwrap();
            for span in spans.iter().filter(|span| span["traceId"] == TRACE) {
                let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
                self.0.lock().unwrap().push(Span {
                    service: service.to_owned(),
                    name: text("name"),
                    id: text("spanId"),
                    parent: text("parentSpanId"),
                    json: span.clone(),
                });
            }
        }
    }

    fn spans(&self) -> Vec<Span> {
        self.0.lock().unwrap().clone()
    }
}

impl Span {
    fn attribute(&self, key: &str) -> &str {
        let all = self.json["attributes"].as_array().unwrap();
        let one = all.iter().find(|one| one["key"] == key).unwrap_or_else(|| panic!("no {key} in {self:?}"));
        one["value"]["stringValue"].as_str().unwrap()
    }
}

/// Whether what it is part of is there, or is the client.
fn is_part_of(span: &Span, spans: &[Span]) -> bool {
    span.parent == CLIENT || spans.iter().any(|other| other.id == span.parent)
}

/// The span `name` of `service` that is a child of `parent`.
#[track_caller]
fn child(spans: &[Span], parent: &str, service: &str, name: &str) -> Span {
    let mut found =
        spans.iter().filter(|span| span.parent == parent && span.service == service && span.name == name);
    match found.next() {
        Some(span) => span.clone(),
        None => panic!("no {name} of {service} below {parent} in {spans:#?}"),
    }
}

#[test]
fn an_order_is_one_connected_trace() {
    let (collector, endpoint) = Collector::start();
    let world = World::shop().with(&format!("telemetry: {{otlp_endpoint: '{endpoint}'}}"));
    let up = world.up();
    let order = place_with(&world, "k-1", &format!("traceparent: 00-{TRACE}-{CLIENT}-01\r\n"));
    let line = json(up.wait_for_logged(TRACE).split_once("| ").unwrap().1);
    assert_eq!(line["trace"], TRACE, "logs name the trace: {line}");
    let (status, body) = get(world.gateway, &format!("/orders/{order}?wait=30s")).unwrap();
    assert_eq!((status, &json(&body)["status"]), (200, &"CONFIRMED".into()), "{body}");
    let is_end = |span: &Span| {
        span.name == "mamparo.saga.turn" && span.attribute("mamparo.saga.status") == "completed"
    };
    eventually("the last turn is exported, and what it is part of", || {
        let spans = collector.spans();
        spans.iter().any(is_end) && spans.iter().all(|span| is_part_of(span, &spans))
    });
    // What is not exported yet is sent when the processes end.
    up.signal(Signal::TERM);
    assert_eq!(up.wait(), Some(0));
    let spans = collector.spans();

    let step = |parent: &Span, service: &str, name: &str| child(&spans, &parent.id, service, name);
    let gateway = child(&spans, CLIENT, "node", "mamparo.request");
    assert_eq!(gateway.attribute("mamparo.service"), "orders");
    let orders = step(&gateway, "orders", "mamparo.serve");
    assert_eq!(orders.attribute("http.route"), "/orders");
    let begin = step(&orders, "orders", "mamparo.saga.turn");
    let sent = step(&begin, "orders", "mamparo.relay.send");
    assert_eq!(sent.attribute("messaging.destination.name"), "payments.commands");
    let payments = step(&begin, "payments", "mamparo.consume");
    let call = step(&payments, "payments", "mamparo.call");
    let mesh = step(&call, "node", "mamparo.request");
    let provider = step(&mesh, "provider", "mamparo.serve");
    assert_eq!(provider.attribute("url.path"), "/charges");
    let paid = step(&payments, "orders", "mamparo.consume");
    let middle = step(&paid, "orders", "mamparo.saga.turn");
    let inventory = step(&middle, "inventory", "mamparo.consume");
    let reserved = step(&inventory, "orders", "mamparo.consume");
    let last = step(&reserved, "orders", "mamparo.saga.turn");
    assert!(is_end(&last), "{last:?}");

    for span in &spans {
        assert!(is_part_of(span, &spans), "{span:?} is part of nothing");
        assert_eq!(spans.iter().filter(|other| other.id == span.id).count(), 1, "{span:?}");
        let time = |key: &str| span.json[key].as_str().unwrap().parse::<u128>().unwrap();
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"), "{span:?}");
    }
}

#[test]
fn a_collector_that_is_not_there_costs_nothing_but_spans() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::shop().with(&format!("telemetry: {{otlp_endpoint: 'http://{gone}'}}"));
    let up = world.up();
    let order = place_with(&world, "k-1", "");
    let (status, body) = get(world.gateway, &format!("/orders/{order}?wait=30s")).unwrap();
    assert_eq!((status, &json(&body)["status"]), (200, &"CONFIRMED".into()), "{body}");
    up.wait_for_logged("spans are not taken");
    up.signal(Signal::TERM);
    assert_eq!(up.wait(), Some(0));
}
