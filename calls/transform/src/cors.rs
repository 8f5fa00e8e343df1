//! Which pages of other origins may use a route: the server's half of the CORS protocol of the Fetch standard
//! (<https://fetch.spec.whatwg.org/#http-cors-protocol>). Decisions are pure; the browser enforces them.

mod config;
mod origin;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};

pub use config::CorsConfig;
use origin::Origins;

use crate::fields::vary_on;

/// The rules of a route, with their headers written once.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Origins,
    credentials: bool,
    methods: HeaderValue,
    headers: Option<HeaderValue>,
    expose: Option<HeaderValue>,
    max_age: HeaderValue,
}

/// What an answer says to the origin that asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Grant {
    /// The request named no origin, or one that is not allowed: nothing.
    #[default]
    None,
    /// Any origin may read it, whoever asked.
    Any,
    /// This origin may read it.
    Origin(HeaderValue),
}

/// What a service could have said, and what is said here in its place: two values are refused by browsers.
const ANSWER_HEADERS: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

impl Cors {
    /// What the origin of a request is granted.
    pub fn grant(&self, headers: &HeaderMap) -> Grant {
        if self.origins.is_any() {
            // Also where no origin asks: the answer does not vary, and a cache may give it to one that does.
            return Grant::Any;
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(origin), None) if self.origins.allow(origin.as_bytes()) => Grant::Origin(origin.clone()),
            _ => Grant::None,
        }
    }

    /// The answer to a preflight request; nothing where it is none. It asks neither the service nor for an identity:
    /// a preflight carries no credentials.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response<()>> {
        let is_preflight = *method == Method::OPTIONS
            && headers.contains_key(header::ORIGIN)
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight {
            return None;
        }
        let mut answer = Response::new(());
        let grant = self.grant(headers);
        let said = answer.headers_mut();
        self.write_grant(&grant, said);
        // The answer is the same whatever is asked for; but a cache on the way cannot know.
        vary_on(said, "access-control-request-method");
        vary_on(said, "access-control-request-headers");
        if grant == Grant::None {
            // Not a status that a browser takes for a yes, so that logs tell it from one.
            *answer.status_mut() = StatusCode::FORBIDDEN;
            return Some(answer);
        }
        said.insert(header::ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        if let Some(allowed) = &self.headers {
            said.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed.clone());
        }
        said.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        Some(answer)
    }

    /// Writes what was granted on an answer, in place of what the service said about it.
    pub fn answer(&self, grant: &Grant, headers: &mut HeaderMap) {
        for name in &ANSWER_HEADERS {
            headers.remove(name);
        }
        self.write_grant(grant, headers);
        if let Some(expose) = &self.expose
            && *grant != Grant::None
        {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    fn write_grant(&self, grant: &Grant, headers: &mut HeaderMap) {
        // Also where nothing is granted: a cache must not give that answer to an origin that is allowed.
        if !self.origins.is_any() {
            vary_on(headers, "origin");
        }
        let origin = match grant {
            Grant::None => return,
            Grant::Any => HeaderValue::from_static("*"),
            Grant::Origin(origin) => origin.clone(),
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

#[cfg(test)]
mod tests;
