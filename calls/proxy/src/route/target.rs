//! What a route leads to: services, another address, or an answer of the proxy's own.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// What a route leads to.
#[derive(Clone, Debug)]
pub enum Target {
    /// Services.
    Services(Services),
    /// Another address, which the client is told.
    Redirect(Redirect),
    /// An answer of the proxy's own.
    Answer(Answer),
}

impl Target {
    /// The service of this name, asked for what the client asked for.
    pub fn service(name: impl Into<String>) -> Self {
        Self::Services(Services::one(name))
    }
}

/// The services of a route, and what they are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Services {
    /// One is chosen for each request, each as often as its weight says.
    pub choice: Vec<Weighted>,
    /// The name of the [`Upstream`](super::Upstream) that takes the requests of one that has no endpoint.
    pub failover: Option<String>,
    /// Who gets a copy of some requests.
    pub mirror: Option<Mirror>,
    /// What is changed in a request on its way.
    pub rewrite: Rewrite,
}

impl Services {
    /// This service alone.
    pub fn one(name: impl Into<String>) -> Self {
        Self { choice: vec![Weighted { name: name.into(), weight: 1 }], ..Self::default() }
    }
}

/// A service and its part of the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighted {
    /// The name of an [`Upstream`](super::Upstream).
    pub name: String,
    /// Its part, in relation to the sum of all weights. One of 0 takes nothing.
    pub weight: u32,
}

/// A service that gets copies whose answers nobody waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// The name of an [`Upstream`](super::Upstream).
    pub name: String,
    /// How many requests in a hundred are copied; 0 to 100.
    pub percent: f64,
}

/// What is changed in a request on its way to a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// The host that the service is asked for, instead of the one that the client named.
    pub host: Option<String>,
    /// The path.
    pub path: Option<PathRewrite>,
}

/// Which path takes the place of the one that was matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// This one instead of the prefix that was matched; the rest stays. `/` cuts the prefix off.
    Prefix(String),
    /// This one instead of the whole path. `{id}` is what the variable of the template that was matched stands for.
    Full(String),
}

/// Another address. What is not named stays as the client has it; the query stays always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// `http` or `https`. With it and without a port, the port is the usual one of the scheme.
    pub scheme: Option<Scheme>,
    /// The host.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The path.
    pub path: Option<PathRewrite>,
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
}

/// How a client is to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that need not be said.
    pub(crate) const fn usual_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A fixed answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers; the length is added.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}
