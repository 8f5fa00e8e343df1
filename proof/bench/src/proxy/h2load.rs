//! The load over TLS and HTTP/2: `h2load` of nghttp2, the same for every proxy. It asks as fast as it is answered.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::load::Answered;
use crate::run::histogram;

/// What it is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calls<'a> {
    pub(crate) url: &'a str,
    pub(crate) connections: usize,
    /// Requests at the same time on each connection.
    pub(crate) streams: usize,
    /// HTTP/1.1, and not HTTP/2.
    pub(crate) is_h1: bool,
    /// The message of a unary call, in a file.
    pub(crate) message: Option<&'a Path>,
}

impl Calls<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new("h2load");
        command.args(["-t", "1", "-c", &self.connections.to_string(), "-m", &self.streams.to_string()]);
        // One cipher and one group for all: the proxies' own preferences are not what is compared.
        command.args(["--tls13-ciphers=TLS_AES_128_GCM_SHA256", "--groups=X25519"]);
        if self.is_h1 {
            command.arg("--h1");
        }
        if let Some(message) = self.message {
            command.arg("-d").arg(message);
            command.args(["-H", "content-type: application/grpc", "-H", "te: trailers"]);
        }
        command
    }

    /// Whether one request is answered as it should be.
    ///
    /// # Errors
    /// It is not, or there is no `h2load`.
    pub(crate) fn probe(&self) -> Result<(), String> {
        let mut once = Self { connections: 1, streams: 1, ..*self }.command();
        once.args(["-n", "1", "-v", self.url]);
        let output = once.output().map_err(|error| format!("h2load: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let is_good = text.contains("1 succeeded") && text.contains("1 2xx");
        match (is_good, self.message) {
            (false, _) => Err("one request is not answered with 200".to_owned()),
            (true, Some(message)) => self.probe_trailers(message),
            (true, None) => Ok(()),
        }
    }

    /// The status of a call stands in trailers, which `h2load` does not show; `curl` does.
    fn probe_trailers(&self, message: &Path) -> Result<(), String> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--insecure", "--verbose", "--http2", "--output", "/dev/null"]);
        curl.args(["-H", "content-type: application/grpc", "-H", "te: trailers", "--data-binary"]);
        curl.arg(format!("@{}", message.display())).arg(self.url);
        let output = curl.output().map_err(|error| format!("curl: {error}"))?;
        let has_status = String::from_utf8_lossy(&output.stderr).contains("grpc-status: 0");
        has_status.then_some(()).ok_or_else(|| "the status in the trailers is missing".to_owned())
    }

    /// Asks for `time`; `log` is a file of its own.
    pub(crate) fn ask(&self, time: Duration, log: &Path) -> Answered {
        let mut command = self.command();
        command.args(["-D", &format!("{}ms", time.as_millis()), "--log-file"]).arg(log).arg(self.url);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let mut latency = histogram();
        // Start, status, duration; times in microseconds.
        for line in std::fs::read_to_string(log).unwrap_or_default().lines() {
            if let Some(micros) = line.split('\t').nth(2).and_then(|word| word.parse().ok()) {
                latency.saturating_record(micros);
            }
        }
        let _ = std::fs::remove_file(log);
        let count = |what: &str| number_before(&text, what).unwrap_or(0);
        let (done, total) = (count(" 2xx"), count(" done"));
        Answered { done, failed: total.saturating_sub(done) + count(" errored"), took: time, latency }
    }
}

/// The number that stands before the first `what`.
fn number_before(text: &str, what: &str) -> Option<u64> {
    let (before, _) = text.split_once(what)?;
    before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
