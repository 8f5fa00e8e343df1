//! What a route asks of a request: its host, its path, its method, its headers and its query.

use http::{HeaderName, Method};

use super::Host;

/// One description of the requests that a route takes: all that is named must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// The hosts; none means any.
    pub hosts: Vec<Host>,
    /// The path.
    pub path: Path,
    /// The methods; none means any.
    pub methods: Vec<Method>,
    /// The headers. A header that stands in several lines is compared as one line with `, ` between them.
    pub headers: Vec<HeaderMatch>,
    /// The parameters of the query, decoded. Of one that stands there twice, the first is compared.
    pub query: Vec<QueryMatch>,
}

impl Match {
    /// Every request with such a path.
    pub fn path(path: Path) -> Self {
        Self { path, ..Self::default() }
    }
}

/// Which paths a route takes. Paths are compared in their normal form: without dot segments, empty segments and
/// needless escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// This path only.
    Exact(String),
    /// Paths with as many segments: `/orders/{id}` takes `/orders/7`, neither `/orders/` nor `/orders/7/lines`. A
    /// variable stands for one whole segment that is not empty.
    Template(String),
    /// This path and all below it: `/a` takes `/a`, `/a/` and `/a/b`, not `/ab`. `/` takes all.
    Prefix(String),
    /// Paths that this regular expression takes from their first byte to their last. Its classes are those of ASCII.
    Regex(String),
}

impl Default for Path {
    fn default() -> Self {
        Self::Prefix("/".into())
    }
}

/// What is asked of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wanted {
    /// That it is there.
    Present,
    /// That it is this text.
    Exact(String),
    /// That this regular expression takes it from its first byte to its last.
    Regex(String),
}

/// What is asked of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatch {
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub value: Wanted,
}

/// What is asked of a parameter of the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryMatch {
    /// Its name, decoded.
    pub name: String,
    /// Its value, decoded.
    pub value: Wanted,
}
