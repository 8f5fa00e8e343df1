//! Decides whether a request can be answered from a cache at all, and what it asks of one.

use http::Method;
use http::header::{self, HeaderMap};

use super::conditional::Condition;
use super::directives::Wishes;

/// The head of a request, as its client sent it.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// How the client came: `http` or `https`. A redirect of the one is not served to the other.
    pub scheme: &'a str,
    /// Host and port, as in `Host` or `:authority`, already compared with each other.
    pub authority: &'a str,
    /// The path, in the normal form in which it is forwarded.
    pub path: &'a str,
    /// The query, if there is one.
    pub query: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// Whether a body comes with it.
    pub has_body: bool,
}

/// Why a request is passed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The method is neither GET nor HEAD.
    Method,
    /// It has a body, or changes to another protocol.
    Body,
    /// It says `no-store`.
    NoStore,
    /// It has a condition that is for the service to judge: `If-Match`, `If-Unmodified-Since`.
    Precondition,
    /// It asks for a part of what is not kept.
    Range,
    /// It asks for the head of what is not kept.
    Head,
    /// Its address, or what its answer varies by, is too long or malformed.
    Address,
    /// As much is being fetched as may be.
    Full,
}

impl Reason {
    /// How many there are.
    pub(crate) const COUNT: usize = 8;

    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Method,
        Self::Body,
        Self::NoStore,
        Self::Precondition,
        Self::Range,
        Self::Head,
        Self::Address,
        Self::Full,
    ];

    /// The word for it in metrics and in `Cache-Status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Body => "body",
            Self::NoStore => "no-store",
            Self::Precondition => "precondition",
            Self::Range => "range",
            Self::Head => "head",
            Self::Address => "address",
            Self::Full => "full",
        }
    }
}

/// What a request asks of a cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// What it takes.
    pub wishes: Wishes,
    /// What its client has.
    pub condition: Condition,
    /// It asks for the head only.
    pub is_head: bool,
    /// It asks for a part.
    pub is_range: bool,
    /// It says on whose behalf it comes.
    pub authorized: bool,
}

impl Asked {
    /// What a request asks; `obeys` says whether its `Cache-Control` is listened to.
    ///
    /// # Errors
    /// Why it is passed by.
    pub fn read(head: &RequestHead<'_>, obeys: bool) -> Result<Self, Reason> {
        let is_head = head.method == Method::HEAD;
        if head.method != Method::GET && !is_head {
            return Err(Reason::Method);
        }
        if head.has_body || head.headers.contains_key(header::UPGRADE) {
            return Err(Reason::Body);
        }
        let headers = head.headers;
        if headers.contains_key(header::IF_MATCH) || headers.contains_key(header::IF_UNMODIFIED_SINCE) {
            return Err(Reason::Precondition);
        }
        let wishes = if obeys { Wishes::read(headers) } else { Wishes::default() };
        if wishes.no_store {
            return Err(Reason::NoStore);
        }
        Ok(Self {
            wishes,
            condition: Condition::read(headers),
            is_head,
            is_range: !is_head && headers.contains_key(header::RANGE),
            authorized: headers.contains_key(header::AUTHORIZATION),
        })
    }
}

/// Whether a method may change something (RFC 9110, 9.2.1): what it names is then no longer known.
pub fn is_unsafe(method: &Method) -> bool {
    !method.is_safe()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_what_a_cache_can_answer_is_looked_up() {
        for (method, line, has_body, expected) in [
            ("GET", ("accept", "x"), false, None),
            ("HEAD", ("accept", "x"), false, None),
            ("POST", ("accept", "x"), false, Some(Reason::Method)),
            ("OPTIONS", ("accept", "x"), false, Some(Reason::Method)),
            ("GET", ("accept", "x"), true, Some(Reason::Body)),
            ("GET", ("upgrade", "websocket"), false, Some(Reason::Body)),
            ("GET", ("if-match", "*"), false, Some(Reason::Precondition)),
            ("GET", ("if-unmodified-since", "x"), false, Some(Reason::Precondition)),
            ("GET", ("cache-control", "no-store"), false, Some(Reason::NoStore)),
        ] {
            let method: Method = method.parse().unwrap();
            let (name, value) = line;
            let headers = HeaderMap::from_iter([(
                header::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )]);
            let head = RequestHead {
                method: &method,
                scheme: "https",
                authority: "a",
                path: "/",
                query: None,
                headers: &headers,
                has_body,
            };
            assert_eq!(Asked::read(&head, true).err(), expected, "{method} {line:?}");
            if expected == Some(Reason::NoStore) {
                assert_eq!(Asked::read(&head, false).err(), None);
            }
        }
    }

    #[test]
    fn a_method_that_nobody_knows_may_change_something() {
        for (method, expected) in
            [("GET", false), ("HEAD", false), ("OPTIONS", false), ("POST", true), ("BREW", true)]
        {
            assert_eq!(is_unsafe(&method.parse().unwrap()), expected, "{method}");
        }
    }
}
