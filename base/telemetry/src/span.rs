//! What is known of one span once it has ended. Ids are bytes as W3C Trace Context has them, times are microseconds
//! since 1970-01-01 UTC; who draws the ids and reads the clock is not decided here.

use std::borrow::Cow;

/// What kind of work a span stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Work within one process.
    Internal,
    /// A request that is answered.
    Server,
    /// A request that is made.
    Client,
    /// A message that is sent.
    Producer,
    /// A message that is handled.
    Consumer,
}

/// Something known of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(Cow<'static, str>),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// Where a span stands in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The trace.
    pub trace: [u8; 16],
    /// The span itself.
    pub span: [u8; 8],
    /// The span it is part of, perhaps one of another process; `None` where the trace begins.
    pub parent: Option<[u8; 8]>,
}

/// One piece of work of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What it is called, one of [`spans`](crate::spans).
    pub name: &'static str,
    /// What kind of work it is.
    pub kind: Kind,
    /// Where it stands.
    pub place: Place,
    /// When it began.
    pub start: i64,
    /// When it ended; never before it began.
    pub end: i64,
    /// Why it failed, if it did.
    pub error: Option<Cow<'static, str>>,
    /// What else is known, by names of the table of OpenTelemetry where it has one.
    pub attributes: Vec<(&'static str, Value)>,
}

impl Span {
    /// A span that begins at `start` and has not ended.
    pub fn begin(name: &'static str, kind: Kind, place: Place, start: i64) -> Self {
        Self { name, kind, place, start, end: start, error: None, attributes: Vec::new() }
    }

    /// One thing more is known of it.
    pub fn knows(&mut self, key: &'static str, value: impl Into<Value>) {
        self.attributes.push((key, value.into()));
    }

    /// It fails.
    pub fn fails(&mut self, why: impl Into<Cow<'static, str>>) {
        self.error = Some(why.into());
    }

    /// It has ended at `end`, and is [recorded](crate::record). A clock that was set back makes it short, not
    /// negative.
    pub fn ends(mut self, end: i64) {
        self.end = end.max(self.start);
        crate::record(self);
    }
}
