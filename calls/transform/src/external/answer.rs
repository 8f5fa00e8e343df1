//! What a hook answered, read strictly: what is not understood is not guessed at.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Deserialize;

use super::External;
use crate::fields::is_json;
use crate::limits::{HOOK_ANSWER_BYTES_MAX, HOOK_HEADERS_MAX};
use crate::names;

/// What a hook decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request goes on.
    Allow(Allowed),
    /// The request is answered so.
    Deny(Denied),
}

/// What is changed about a request that goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// On the request.
    pub request: Mutations,
    /// On the answer of the service.
    pub answer: Mutations,
}

/// An answer in place of the service's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Its status.
    pub status: StatusCode,
    /// Its headers; the length is not among them.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Changes of headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mutations {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, HeaderValue)>,
    add: Vec<(HeaderName, HeaderValue)>,
}

/// Why the answer of a hook does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// Its status is not 200.
    #[error("the hook answered with status {0}")]
    Status(StatusCode),
    /// It does not say that it is JSON.
    #[error("the hook did not answer with JSON")]
    NotJson,
    /// It is longer than [`HOOK_ANSWER_BYTES_MAX`].
    #[error("the hook answered with more than {HOOK_ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    /// It is not of the form that is asked for.
    #[error("the hook answered in another form: {0}")]
    Form(String),
    /// It changes something that cannot be changed, or not so.
    #[error("the hook answered with {field}: {problem}")]
    Value {
        /// What.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    decision: Decision,
    request: Option<WireMutations>,
    answer: Option<WireMutations>,
    status: Option<u16>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Allow,
    Deny,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WireMutations {
    remove: Vec<String>,
    set: BTreeMap<String, String>,
    add: BTreeMap<String, String>,
}

impl External {
    /// What the answer of the hook says.
    ///
    /// # Errors
    /// It does not count; what happens then is said by [`on_failure`](super::ExternalConfig::on_failure).
    pub fn verdict(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Verdict, HookError> {
        if status != StatusCode::OK {
            return Err(HookError::Status(status));
        }
        if !is_json(headers) {
            return Err(HookError::NotJson);
        }
        if body.len() > HOOK_ANSWER_BYTES_MAX {
            return Err(HookError::TooLarge);
        }
        let wire: Wire = serde_json::from_slice(body).map_err(|error| HookError::Form(error.to_string()))?;
        match wire.decision {
            Decision::Allow => wire.allowed().map(Verdict::Allow),
            Decision::Deny => wire.denied().map(Verdict::Deny),
        }
    }
}

impl Wire {
    fn allowed(self) -> Result<Allowed, HookError> {
        let stray = [
            ("status", self.status.is_some()),
            ("headers", self.headers.is_some()),
            ("body", self.body.is_some()),
        ];
        refuse(&stray, "belongs to `deny`")?;
        let read = |key, wire: Option<WireMutations>| Mutations::read(key, wire.unwrap_or_default());
        Ok(Allowed { request: read("request", self.request)?, answer: read("answer", self.answer)? })
    }

    fn denied(self) -> Result<Denied, HookError> {
        let stray = [("request", self.request.is_some()), ("answer", self.answer.is_some())];
        refuse(&stray, "belongs to `allow`")?;
        let status = self.status.unwrap_or(403);
        let wrong = || value_error("status", "from 300 to 599, and not 304");
        let status = StatusCode::from_u16(status)
            .ok()
            .filter(|status| (300..=599).contains(&status.as_u16()) && *status != StatusCode::NOT_MODIFIED)
            .ok_or_else(wrong)?;
        let headers: HeaderMap = entries("headers", self.headers.unwrap_or_default())?.into_iter().collect();
        Ok(Denied { status, headers, body: self.body.unwrap_or_default().into() })
    }
}

fn refuse(stray: &[(&str, bool)], problem: &str) -> Result<(), HookError> {
    match stray.iter().find(|(_, is_there)| *is_there) {
        Some((field, _)) => Err(value_error(field, problem)),
        None => Ok(()),
    }
}

fn value_error(field: &str, problem: impl Into<String>) -> HookError {
    HookError::Value { field: field.to_owned(), problem: problem.into() }
}

fn entries(
    field: &str,
    entries: BTreeMap<String, String>,
) -> Result<Vec<(HeaderName, HeaderValue)>, HookError> {
    few(field, entries.len())?;
    let entry = |(name, value): (String, String)| {
        let field = format!("{field}.{name}");
        let name = names::read(&name).map_err(|problem| value_error(&field, problem))?;
        let value =
            HeaderValue::try_from(value).map_err(|_| value_error(&field, "a header cannot carry it"))?;
        Ok((name, value))
    };
    entries.into_iter().map(entry).collect()
}

fn few(field: &str, count: usize) -> Result<(), HookError> {
    if count <= HOOK_HEADERS_MAX {
        Ok(())
    } else {
        Err(value_error(field, format!("at most {HOOK_HEADERS_MAX}")))
    }
}

impl Mutations {
    fn read(key: &str, wire: WireMutations) -> Result<Self, HookError> {
        few(&format!("{key}.remove"), wire.remove.len())?;
        let name = |name: &String| {
            names::read(name)
                .map_err(|problem| value_error(&format!("{key}.remove"), format!("`{name}` {problem}")))
        };
        Ok(Self {
            remove: wire.remove.iter().map(name).collect::<Result<_, _>>()?,
            set: entries(&format!("{key}.set"), wire.set)?,
            add: entries(&format!("{key}.add"), wire.add)?,
        })
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Changes the headers.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }
}

impl Denied {
    /// The answer to the client, with its length, and with a type where the hook named none.
    pub fn into_response(self) -> Response<Bytes> {
        let length = HeaderValue::from(self.body.len());
        let has_body = !self.body.is_empty();
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, length);
        if has_body && !headers.contains_key(header::CONTENT_TYPE) {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        }
        response
    }
}
