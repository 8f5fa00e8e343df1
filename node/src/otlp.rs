//! Spans leave this process by OTLP over HTTP, in batches, if the configuration or the environment names a collector.
//! A collector that cannot be reached costs spans, never requests: what has no room is dropped and counted.

mod collector;
mod encode;

use std::time::Duration;

use bytes::Bytes;
use collector::{Collector, Unsent};
use mamparo_config::Telemetry;
use mamparo_telemetry::{Span, install, recorded};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// The standard name of the variable that names a collector; it goes before the configuration.
const ENDPOINT_VARIABLE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// What an application is called, for those that bring an exporter of their own.
const SERVICE_VARIABLE: &str = "OTEL_SERVICE_NAME";
/// What this process is called by its supervisor.
const NAME_VARIABLE: &str = "MAMPARO_NAME";
/// Spans that wait at most; about 6 MB.
const QUEUE: usize = 8_192;
/// Spans of one request to the collector at most.
const BATCH: usize = 512;
/// How long a batch waits for more.
const GATHER: Duration = Duration::from_millis(500);
/// How long it rests after the collector failed, first and at most.
const REST: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// How long the last spans may take when the process ends.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// Exports spans until it is closed; or does nothing, where no collector is named.
pub(crate) struct Exporter(Option<(oneshot::Sender<()>, JoinHandle<()>)>);

/// Begins to record and export the spans of this process, which is called `name` unless its supervisor has named it.
/// Needs a runtime.
pub(crate) fn start(options: &Telemetry, name: &str) -> Exporter {
    let Some(endpoint) = endpoint(options) else { return Exporter(None) };
    let collector = match Collector::new(&endpoint) {
        Ok(collector) => collector,
        Err(error) => {
            tracing::warn!(endpoint, %error, "spans are not recorded");
            return Exporter(None);
        }
    };
    let service = std::env::var(NAME_VARIABLE).unwrap_or_else(|_| name.to_owned());
    let (send, spans) = mpsc::channel(QUEUE);
    install(move |span| send.try_send(span).is_ok(), options.sample);
    let (stop, stopped) = oneshot::channel();
    let export = Export { service, spans, collector, batch: Vec::new(), failing: false };
    tracing::info!(endpoint, sample = options.sample, "spans are exported");
    Exporter(Some((stop, tokio::spawn(export.run(stopped)))))
}

/// The collector that the environment names, or else the configuration.
fn endpoint(options: &Telemetry) -> Option<String> {
    let Some(named) = named_by_environment() else { return options.otlp_endpoint.clone() };
    let sound = Telemetry::endpoint(&named);
    if sound.is_none() {
        let value = &named;
        tracing::warn!(variable = ENDPOINT_VARIABLE, value, "not the base URL of a collector; passed over");
    }
    sound.or_else(|| options.otlp_endpoint.clone())
}

fn named_by_environment() -> Option<String> {
    std::env::var(ENDPOINT_VARIABLE).ok().filter(|named| !named.is_empty())
}

/// What the application `name` is told in its environment, beside what it inherits.
pub(crate) fn environment(options: &Telemetry, name: &str) -> Vec<(String, String)> {
    let service = (SERVICE_VARIABLE.to_owned(), name.to_owned());
    match (named_by_environment(), &options.otlp_endpoint) {
        (Some(_), _) => vec![service],
        (None, Some(endpoint)) => vec![service, (ENDPOINT_VARIABLE.to_owned(), endpoint.clone())],
        (None, None) => Vec::new(),
    }
}

impl Exporter {
    /// Sends what is recorded by now, within a second, and exports nothing more.
    pub(crate) async fn close(self) {
        let Some((stop, mut exporting)) = self.0 else { return };
        // An export that has ended needs no stopping.
        let _ = stop.send(());
        if tokio::time::timeout(CLOSE_WITHIN, &mut exporting).await.is_err() {
            exporting.abort();
            tracing::warn!("the last spans were not sent in time");
        }
    }
}

struct Export {
    service: String,
    spans: mpsc::Receiver<Span>,
    collector: Collector,
    batch: Vec<Span>,
    /// The collector failed, and that was said.
    failing: bool,
}

impl Export {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            let sent = async {
                self.gather().await;
                self.deliver().await;
            };
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                () = sent => {}
            }
        }
        // What was being sent may arrive twice; a collector tells spans by their ids.
        loop {
            while self.batch.len() < BATCH
                && let Ok(span) = self.spans.try_recv()
            {
                self.batch.push(span);
            }
            if self.batch.is_empty() || self.send().await.is_err() {
                return;
            }
            self.batch.clear();
        }
    }

    /// Waits for spans, and then a little for more.
    ///
    /// Cancel safe: what came stands in the batch.
    async fn gather(&mut self) {
        if self.batch.is_empty() && self.spans.recv_many(&mut self.batch, BATCH).await == 0 {
            return std::future::pending().await;
        }
        let more = async {
            while self.batch.len() < BATCH {
                let room = BATCH - self.batch.len();
                if self.spans.recv_many(&mut self.batch, room).await == 0 {
                    return;
                }
            }
        };
        // The end of the time is not a failure.
        let _ = tokio::time::timeout(GATHER, more).await;
    }

    /// Sends the batch, again and again if it must be.
    async fn deliver(&mut self) {
        let mut rest = REST.0;
        while let Err(Unsent::Later(why)) = self.send().await {
            if !std::mem::replace(&mut self.failing, true) {
                tracing::warn!(collector = %self.collector, why, "spans are not taken; they wait, and have little room");
            }
            tokio::time::sleep(rest).await;
            rest = (2 * rest).min(REST.1);
        }
        self.batch.clear();
    }

    /// Sends the batch once. One that is refused is gone.
    async fn send(&mut self) -> Result<(), Unsent> {
        let body = encode::request(&self.service, &self.batch);
        let result = self.collector.post(Bytes::from(body)).await;
        match &result {
            Ok(()) if std::mem::take(&mut self.failing) => {
                let dropped = recorded().dropped;
                tracing::info!(collector = %self.collector, dropped, "spans are taken again");
            }
            Err(Unsent::Never(why)) => {
                tracing::warn!(collector = %self.collector, why, spans = self.batch.len(), "spans are refused");
            }
            _ => {}
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use mamparo_telemetry::{Kind, Place, spans};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn span(number: u8) -> Span {
        Span::begin(
            spans::CALL,
            Kind::Client,
            Place { trace: [1; 16], span: [number; 8], parent: None },
            1_000_000,
        )
    }

    /// Takes one request and answers it; answers with its text.
    async fn answer(listener: &TcpListener, status: &str) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut text, mut buffer) = (String::new(), [0; 4096]);
        loop {
            let count = stream.read(&mut buffer).await.unwrap();
            text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            if count == 0 || text.ends_with("]}]}") {
                break;
            }
        }
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
        stream.write_all(answer.as_bytes()).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_batch_is_sent_again_when_the_collector_was_busy_and_the_last_ones_at_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/otlp", listener.local_addr().unwrap());
        let (send, spans) = mpsc::channel(8);
        let (stop, stopped) = oneshot::channel();
        let collector = Collector::new(&endpoint).unwrap();
        let export = Export { service: "orders".into(), spans, collector, batch: Vec::new(), failing: false };
        let exporting = tokio::spawn(export.run(stopped));
        send.try_send(span(7)).unwrap();
        let first = answer(&listener, "503 Service Unavailable").await;
        assert!(first.starts_with("POST /otlp/v1/traces HTTP/1.1\r\n"), "{first}");
        let again = answer(&listener, "200 OK").await;
        let body = |text: &str| text.split_once("\r\n\r\n").unwrap().1.to_owned();
        assert_eq!(body(&first), body(&again));
        send.try_send(span(8)).unwrap();
        stop.send(()).unwrap();
        let last = answer(&listener, "200 OK").await;
        assert!(last.contains("\"spanId\":\"0808080808080808\""), "{last}");
        exporting.await.unwrap();
    }
}
