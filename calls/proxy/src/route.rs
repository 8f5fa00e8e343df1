//! Which route a request takes. Precedence as the Gateway API has it, of all matches that take the request:
//!
//! 1. an exact host, before the longest wildcard, before any host;
//! 2. an exact path, before a template (of two, the one that is literal where they first differ), before the longest
//!    prefix, before a regular expression, before the prefix `/`;
//! 3. a named method, before any;
//! 4. the more headers, then the more parameters of the query;
//! 5. the one that stands first.
//!
//! Two routes that ask for the very same thing, so that the second one would never be taken, are an error.

mod cell;
mod check;
#[cfg(test)]
mod cost_tests;
mod entrance;
mod find;
mod host;
mod matches;
mod path;
mod paths;
mod pattern;
mod preflight;
mod query;
mod rewrite;
mod routing;
mod split;
mod table;
mod target;
mod template;

use std::hash::{DefaultHasher, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use mamparo_balance::{BalanceConfig, Endpoint};
use mamparo_context::Criticality;
use mamparo_http_cache::HttpCache;
use mamparo_policy::retry::Retry;
use mamparo_policy::stack::Stack;
use mamparo_transform::Transform;

use crate::quota::ClientQuota;
use crate::transport::Transport;
pub use entrance::Passage;
pub(crate) use find::{Captures, Own, find};
pub(crate) use host::host_of;
pub use host::{Host, InvalidHost};
pub use matches::{HeaderMatch, Match, Path, QueryMatch, Wanted};
pub(crate) use path::normalize;
pub(crate) use routing::Service;
pub use routing::{Routing, RoutingError};
pub use target::{Answer, Mirror, PathRewrite, Redirect, Rewrite, Scheme, Services, Target, Weighted};

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Public,
    /// Whoever proves an identity. Nobody can prove one yet, so that such a route answers 401.
    Identified,
}

/// How long a request to a service may take, and how large it may be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The whole request, answer included. A client may ask for less (`mamparo-timeout-ms`), never for more.
    pub request_timeout: Duration,
    /// From sending the request to the header of the answer.
    pub answer_timeout: Duration,
    /// How long connecting is tried again while no endpoint takes the connection, so that a service that is just
    /// restarting is waited for.
    pub connect_retry_window: Duration,
    /// Whether a GET, HEAD or OPTIONS without a body is sent once more where the service broke off before it
    /// answered.
    pub repeat_safe: bool,
    /// Body of a request, in bytes, where it is not what [`Limits`](crate::Limits) say.
    pub body_bytes: Option<u64>,
    /// What a request must pass before it goes to the service, and what it is a sample for until the last of its
    /// answer.
    pub policies: Option<Arc<Stack>>,
    /// What each client may ask for in a time. All of them hold, in this order, before anything else is done.
    pub quotas: Vec<Arc<ClientQuota>>,
    /// How much its requests matter. Where it is not said, that is what callers by name say, and for others as usual.
    /// Whoever asks at the edge may say less of a request, never more.
    pub criticality: Option<Criticality>,
    /// When a request that takes long is sent a second time: the [hedge of `policies`
    /// alone](mamparo_policy::stack::Stack::hedge_alone). Not together with `retry`.
    pub hedge: Option<Arc<Stack>>,
    /// What keeps the answers of the service for whoever asks next.
    pub cache: Option<HttpCache>,
    /// When a request that failed is sent again.
    pub retry: Option<Arc<Retry>>,
    /// How much of a body is kept so that it can be sent again, in bytes; a larger one is sent once.
    pub replay_bytes: usize,
    /// What is changed about requests and answers on their way.
    pub transform: Option<Arc<Transform>>,
    /// Whether answers say in `server-timing` how long they took, and how much of that the service did.
    pub server_timing: bool,
    /// Whether interim answers of the service (103 and its like) go on to clients of HTTP/1.1.
    pub early_hints: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(15),
            connect_retry_window: Duration::from_secs(1),
            repeat_safe: true,
            body_bytes: None,
            policies: None,
            quotas: Vec::new(),
            criticality: None,
            hedge: None,
            cache: None,
            retry: None,
            replay_bytes: 64 * 1024,
            transform: None,
            server_timing: false,
            early_hints: false,
        }
    }
}

/// A route: what it takes, who may use it, and where it leads.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name in logs and metrics.
    pub name: String,
    /// It takes the requests that one of these describes; none means all requests.
    pub matches: Vec<Match>,
    /// Who may use it.
    pub access: Access,
    /// Where it leads.
    pub target: Target,
    /// Its times and sizes.
    pub settings: Settings,
}

/// A service and where its instances listen.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name: what routes lead to, and the `<name>` of `<name>.mamparo`.
    pub name: String,
    /// Where its instances listen.
    pub endpoints: Vec<Endpoint>,
    /// Which of them takes the next request, and how it is found out which of them work.
    pub balance: BalanceConfig,
    /// What requests have in common that are to reach the same endpoint; for consistent hashing.
    pub key: Option<RequestKey>,
    /// How they are spoken to.
    pub transport: Transport,
    /// The times and sizes of requests that reach it by its name.
    pub settings: Settings,
}

impl Upstream {
    /// The service `name` with these endpoints, and defaults.
    pub fn new(name: &str, endpoints: &[SocketAddr]) -> Self {
        Self {
            name: name.to_owned(),
            endpoints: endpoints.iter().copied().map(Endpoint::new).collect(),
            balance: BalanceConfig::default(),
            key: None,
            transport: Transport::default(),
            settings: Settings::default(),
        }
    }
}

/// What requests have in common, such as those that are to reach the same endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestKey {
    /// The address of the client.
    Address,
    /// The value of a header; requests without it have nothing in common.
    Header(HeaderName),
    /// The value of a cookie; requests without it have nothing in common.
    Cookie(String),
    /// The path.
    Path,
}

impl RequestKey {
    /// What a connection has of it, of which no request is known.
    pub(crate) fn of_connection(&self, address: &HeaderValue) -> Option<u64> {
        matches!(self, Self::Address).then(|| hash(address.as_bytes()))
    }

    /// What a request has of it.
    pub(crate) fn of(&self, headers: &HeaderMap, path: &str, address: &HeaderValue) -> Option<u64> {
        match self {
            Self::Address => Some(hash(address.as_bytes())),
            Self::Header(_) | Self::Cookie(_) => self.first_two(headers).0.map(hash),
            Self::Path => Some(hash(path.as_bytes())),
        }
    }

    /// What a request has of it if it has it once: whoever says it twice leaves open which one is meant.
    pub(crate) fn only(&self, headers: &HeaderMap) -> Option<u64> {
        match self.first_two(headers) {
            (Some(only), None) => Some(hash(only)),
            _ => None,
        }
    }

    /// The first two values of a header or a cookie.
    fn first_two<'h>(&self, headers: &'h HeaderMap) -> (Option<&'h [u8]>, Option<&'h [u8]>) {
        match self {
            Self::Address | Self::Path => (None, None),
            Self::Header(name) => {
                let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
                (values.next(), values.next())
            }
            Self::Cookie(name) => {
                let lines = headers.get_all(header::COOKIE).iter();
                let cookies = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
                let is_it = |cookie: &&[u8]| {
                    cookie.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
                };
                let mut values = cookies.map(<[u8]>::trim_ascii).filter(is_it);
                (values.next(), values.next())
            }
        }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
