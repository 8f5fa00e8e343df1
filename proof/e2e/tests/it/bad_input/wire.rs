//! A client that sends bytes as they are written down, and reads answers as strictly as it can; and what every
//! refusal must look like.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::shop::{Patience, Shop};

/// Longer than any answer of these tests takes.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// An answer as it came over the wire.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It is a problem with this status and code, and tells nothing about the inside.
    #[track_caller]
    pub(super) fn is_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.json()["code"].as_str()), (status, Some(code)), "{self:?}");
        self.is_proper_problem();
    }

    /// Whatever its status and its code are, it is a problem as the standard says and tells nothing about the inside.
    #[track_caller]
    pub(super) fn is_proper_problem(&self) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        for member in ["type", "title", "detail", "code"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {self:?}");
        }
        assert_eq!(self.header("retry-after").is_some(), self.status == 503, "{self:?}");
        let body = self.body.to_lowercase();
        for inside in [
            ".rs",
            "panick",
            "sqlite",
            "sql ",
            "127.0.0.1",
            "hyper",
            "serde",
            "axum",
            ".db",
            "/tmp",
            "os error",
        ] {
            assert!(!body.contains(inside), "it tells of {inside}: {self:?}");
        }
    }
}

/// One connection to the gateway.
pub(super) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Wire {
    pub(super) fn to(shop: &Shop) -> Self {
        Self::at(shop.address())
    }

    pub(super) fn at(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(SILENCE_MAX)).unwrap();
        stream.set_write_timeout(Some(SILENCE_MAX)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends as much as the other side takes; it may hang up in between.
    pub(super) fn send_what_is_taken(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Ok(()) => {}
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}")
            }
        }
    }

    /// Reads one answer.
    #[track_caller]
    pub(super) fn answer(&mut self) -> Answer {
        self.next().expect("the connection ended without an answer")
    }

    /// Reads one answer to a request of which only the head is asked for.
    #[track_caller]
    pub(super) fn head(&mut self) -> Answer {
        self.next_of(true).expect("the connection ended without an answer")
    }

    /// Reads the next answer; `None` when the other side ends the connection instead.
    #[track_caller]
    pub(super) fn next(&mut self) -> Option<Answer> {
        self.next_of(false)
    }

    #[track_caller]
    fn next_of(&mut self, is_head: bool) -> Option<Answer> {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            if self.read() == 0 {
                let rest = String::from_utf8_lossy(&self.unread);
                assert!(rest.is_empty(), "half an answer: {rest}");
                return None;
            }
        };
        let head = String::from_utf8(self.unread[..end].to_vec()).unwrap();
        self.unread.drain(..end + 4);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut answer = Answer { status: status.expect("a status"), head, body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let length = if is_head { 0 } else { length };
        while self.unread.len() < length {
            assert!(self.read() > 0, "the body broke off: {answer:?}");
        }
        answer.body = String::from_utf8(self.unread.drain(..length).collect()).unwrap();
        Some(answer)
    }

    #[track_caller]
    fn read(&mut self) -> usize {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(read) => {
                self.unread.extend_from_slice(&chunk[..read]);
                read
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("nothing came for {SILENCE_MAX:?}: {error}"),
        }
    }

    /// Whether an answer, or the end, comes within a while.
    pub(super) fn has_answer_within(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let mut byte = [0];
        let has = self.stream.peek(&mut byte).is_ok();
        self.stream.set_read_timeout(Some(SILENCE_MAX)).unwrap();
        has
    }

    /// Goes away without a good-bye: the other side sees a reset.
    pub(super) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Says that nothing more will be sent, and still listens.
    pub(super) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

/// Sends one request on a connection of its own and reads its answer.
#[track_caller]
pub(super) fn ask(shop: &Shop, request: impl AsRef<[u8]>) -> Answer {
    let mut wire = Wire::to(shop);
    wire.send(request);
    wire.answer()
}

/// A request written out, with its length.
pub(super) fn written(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    text
}

/// An order of one mate.
pub(super) fn order(customer: &str) -> String {
    format!(r#"{{"customer":"{customer}","lines":[{{"sku":"mate","quantity":1}}]}}"#)
}

/// How many orders of the customer there are.
#[track_caller]
pub(super) fn orders_of(shop: &Shop, customer: &str) -> usize {
    let answer = shop.get_until_answered(&format!("/orders?customer={customer}&limit=500"));
    answer.body["orders"].as_array().unwrap_or_else(|| panic!("{}", answer.body)).len()
}

/// Waits until `holds`, looking again and again.
#[track_caller]
pub(super) fn eventually(shop: &Shop, what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Patience::begin();
    while patience.is_left() {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it never came to this: {what}\n{}", shop.log());
}

/// Money for a customer of the test's own.
#[track_caller]
pub(super) fn deposit(shop: &Shop, customer: &str, amount: i64) {
    let path = format!("/wallets/{customer}/deposits");
    let answer = shop.post_until_answered(
        &path,
        &format!("deposit-{customer}"),
        &serde_json::json!({"amount": amount}),
    );
    assert_eq!(answer.status, 201, "{}", answer.body);
}

/// Waits until an order has ended: how.
#[track_caller]
pub(super) fn ended(shop: &Shop, location: &str) -> String {
    let mut status = String::new();
    eventually(shop, "the order ends", || {
        let answer = shop.get_until_answered(&format!("{location}?wait=5s"));
        assert_eq!(answer.status, 200, "{location} was returned: {}", answer.body);
        status = answer.body["status"].as_str().unwrap().to_owned();
        status != "PENDING"
    });
    status
}
