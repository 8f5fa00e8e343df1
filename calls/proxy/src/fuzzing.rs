//! What the fuzzer reaches of this crate, and nobody else: the reading of a connection, the normal form of a path, and
//! where a request is led. No part of the interface: it changes without notice.

use http::Request;

pub use crate::accept::fuzzing::{Framed, Served, Verdict, framed, limits, serve, verdict};
use crate::options::Door;
use crate::respond::Taken;
use crate::route::{self, Routing};

/// Where a request is led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Led {
    /// The number of the route; nothing where it goes to a service by its name.
    pub route: Option<usize>,
    /// What the service is asked for; `/` where none is.
    pub target: String,
    /// What variables of the path stand for.
    pub captures: Vec<(String, String)>,
}

/// The one way to write a path; nothing where there is none.
pub fn normal(path: &str) -> Option<String> {
    route::normalize(path).ok().map(std::borrow::Cow::into_owned)
}

/// Where a request is led; the code of the problem where it is turned back.
///
/// # Errors
/// It is led nowhere.
pub fn lead<B>(routing: &Routing, request: &Request<B>) -> Result<Led, &'static str> {
    let way = route::find(routing, Door::Edge, request, || 0).map_err(|turned| turned.problem.code())?;
    let route = match way.taken {
        Taken::Route(number, _) => Some(number),
        Taken::Nothing | Taken::ByName(_) => None,
    };
    let captures = way.captures.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    Ok(Led { route, target: way.uri.to_string(), captures: captures.collect() })
}
