//! The access log: one line for every request, in JSON, written together with others. A line waits until its worker has
//! nothing to do, or until there are many.

use std::cell::RefCell;
use std::fmt;
use std::io::Write as _;
use std::sync::Arc;

use mamparo_context::Timestamp;
use mamparo_telemetry::access::FIELDS;

use crate::limits::ACCESS_BUFFER;

/// Where lines about requests go, and which.
#[derive(Clone, Debug, Default)]
pub struct AccessLog {
    /// Who takes them; events of `tracing` with the target `access` where nobody is named.
    pub sink: Option<Sink>,
    /// The share of requests that have a line, 0 to 1. One that failed (5xx, or broken off) always has.
    pub sample: Option<f64>,
    /// What a line says, besides `timestamp`, `level` and `target`: all of it where nothing is named.
    pub fields: Fields,
}

/// Takes whole lines, many at a time, on the thread of a worker.
#[derive(Clone)]
pub struct Sink(Arc<Take>);

type Take = dyn Fn(&[u8]) + Send + Sync;

impl Sink {
    /// Lines are given to `write`, which must not block for long: nothing is served meanwhile.
    pub fn new(write: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(write))
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

/// Which of [`FIELDS`] a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields(u16);

impl Default for Fields {
    fn default() -> Self {
        Self(u16::MAX)
    }
}

impl Fields {
    /// These; names that are not among [`FIELDS`] are passed over.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let bit = |name: &str| FIELDS.iter().position(|field| *field == name).map_or(0, |at| 1 << at);
        Self(names.into_iter().map(bit).fold(0, |all, bit| all | bit))
    }

    fn has(self, at: usize) -> bool {
        self.0 & (1 << at) != 0
    }
}

/// What is known of a request that has come to its end.
pub(crate) struct Line<'a> {
    pub(crate) at: Timestamp,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) duration_us: u64,
    pub(crate) route: &'a str,
    pub(crate) service: &'a str,
    pub(crate) code: &'a str,
    pub(crate) aborted: bool,
    pub(crate) trace: &'a [u8],
    pub(crate) protocol: &'a str,
    pub(crate) client: &'a [u8],
    pub(crate) cache: &'a str,
}

/// The lines of this thread that nobody has taken yet.
struct Waiting {
    text: Vec<u8>,
    sink: Option<Sink>,
    /// The second that was written last, and how it is written.
    second: (i64, [u8; 20]),
}

thread_local! {
    static WAITING: RefCell<Waiting> =
        const { RefCell::new(Waiting { text: Vec::new(), sink: None, second: (i64::MIN, [0; 20]) }) };
}

/// Writes a line, and all that wait where they are many.
pub(crate) fn write(log: &AccessLog, sink: &Sink, line: &Line<'_>) {
    WAITING.with_borrow_mut(|waiting| {
        if waiting.sink.is_none() {
            waiting.sink = Some(sink.clone());
        }
        waiting.line(line, log.fields);
        if waiting.text.len() >= ACCESS_BUFFER {
            waiting.hand_over();
        }
    });
}

/// Hands over the lines of this thread. Called when it has nothing else to do.
pub(crate) fn flush() {
    // A thread that is just ending has handed them over before.
    let _ = WAITING.try_with(|waiting| {
        if let Ok(mut waiting) = waiting.try_borrow_mut() {
            waiting.hand_over();
        }
    });
}

impl Waiting {
    fn hand_over(&mut self) {
        if let (Some(sink), false) = (&self.sink, self.text.is_empty()) {
            (sink.0)(&self.text);
            self.text.clear();
        }
    }

    fn line(&mut self, line: &Line<'_>, fields: Fields) {
        let micros = line.at.as_micros();
        let (second, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        if self.second.0 != second {
            self.second.0 = second;
            let whole = Timestamp::from_micros(second * 1_000_000);
            // `2026-11-22T05:59:38.` and the milliseconds, which are written below.
            let _ = write!(&mut self.second.1[..], "{whole}");
        }
        let text = &mut self.text;
        text.extend_from_slice(b"{\"timestamp\":\"");
        text.extend_from_slice(&self.second.1);
        let mut digits = *b"000000";
        let mut left = rest;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
            left /= 10;
        }
        text.extend_from_slice(&digits);
        text.extend_from_slice(b"Z\",\"level\":\"INFO\"");
        let texts = [(0, line.method), (1, line.path)];
        texts.into_iter().for_each(|(at, value)| put_text(text, fields, at, value.as_bytes()));
        let numbers =
            [(2, u64::from(line.status)), (3, line.sent), (4, line.received), (5, line.duration_us)];
        for (at, value) in numbers {
            if put_name(text, fields, at) {
                text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
            }
        }
        let texts = [(6, line.route), (7, line.service), (8, line.code)];
        texts.into_iter().for_each(|(at, value)| put_text(text, fields, at, value.as_bytes()));
        if put_name(text, fields, 9) {
            text.extend_from_slice(if line.aborted { b"true" } else { b"false" });
        }
        let texts = [
            (10, line.trace),
            (11, line.protocol.as_bytes()),
            (12, line.client),
            (13, line.cache.as_bytes()),
        ];
        texts.into_iter().for_each(|(at, value)| put_text(text, fields, at, value));
        text.extend_from_slice(b",\"target\":\"access\"}\n");
    }
}

fn put_name(text: &mut Vec<u8>, fields: Fields, at: usize) -> bool {
    let is_there = fields.has(at);
    if let (true, Some(name)) = (is_there, FIELDS.get(at)) {
        text.extend_from_slice(b",\"");
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b"\":");
    }
    is_there
}

fn put_text(text: &mut Vec<u8>, fields: Fields, at: usize, value: &[u8]) {
    if !put_name(text, fields, at) {
        return;
    }
    text.push(b'"');
    if value
        .iter()
        .all(|byte| byte.is_ascii() && *byte >= b' ' && *byte != b'"' && *byte != b'\\' && *byte != 0x7f)
    {
        text.extend_from_slice(value);
    } else {
        // Rare: a path with quotes, or with characters beyond ASCII.
        for c in String::from_utf8_lossy(value).chars() {
            match c {
                '"' | '\\' => text.extend_from_slice(&[b'\\', c as u8]),
                c if c.is_control() => {
                    let _ = write!(text, "\\u{:04x}", u32::from(c));
                }
                c => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    text.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn line(path: &str) -> Line<'_> {
        Line {
            at: Timestamp::from_micros(1_795_500_000_000_123),
            method: "GET",
            path,
            status: 200,
            sent: 12,
            received: 0,
            duration_us: 345,
            route: "all",
            service: "it",
            code: "",
            aborted: false,
            trace: b"ab12",
            protocol: "http1",
            client: b"127.0.0.1",
            cache: "hit",
        }
    }

    fn written(lines: &[Line<'_>], fields: Fields) -> String {
        let taken = Arc::<Mutex<Vec<u8>>>::default();
        let to = Arc::clone(&taken);
        let sink = Sink::new(move |bytes: &[u8]| to.lock().unwrap().extend_from_slice(bytes));
        let log = AccessLog { fields, ..AccessLog::default() };
        let lines: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let own = scope.spawn(|| {
                lines.iter().for_each(|line| write(&log, &sink, line));
                flush();
                taken.lock().unwrap().clone()
            });
            vec![own.join().unwrap()]
        });
        String::from_utf8(lines.concat()).unwrap()
    }

    #[test]
    fn a_line_says_all_that_is_known() {
        assert_eq!(
            written(&[line("/a")], Fields::default()),
            "{\"timestamp\":\"2026-11-24T06:00:00.000123Z\",\"level\":\"INFO\",\"method\":\"GET\",\"path\":\"/a\",\
             \"status\":200,\"sent\":12,\"received\":0,\"duration_us\":345,\"route\":\"all\",\"service\":\"it\",\
             \"code\":\"\",\"aborted\":false,\"trace\":\"ab12\",\"protocol\":\"http1\",\"client\":\"127.0.0.1\",\
             \"cache\":\"hit\",\"target\":\"access\"}\n"
        );
    }

    #[test]
    fn a_line_says_what_it_is_asked_to_and_is_json_whatever_is_in_it() {
        let fields = Fields::of(["path", "status", "nothing"]);
        let text = written(&[line("/\"\\é\u{1}")], fields);
        assert!(
            text.ends_with(",\"path\":\"/\\\"\\\\é\\u0001\",\"status\":200,\"target\":\"access\"}\n"),
            "{text}"
        );
        assert_eq!(written(&[line("/a"), line("/b")], fields).lines().count(), 2);
    }
}
