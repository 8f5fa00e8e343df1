//! What a hook is asked.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request;
use serde::Serialize;

use super::External;
use crate::{Variable, Variables};

/// The version of the form of questions.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Question<'a> {
    version: u32,
    request_id: Option<Cow<'a, str>>,
    route: Option<Cow<'a, str>>,
    client_ip: Option<Cow<'a, str>>,
    scheme: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
    method: &'a str,
    path: &'a str,
    headers: BTreeMap<&'a str, Vec<Cow<'a, str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Body<'a>>,
}

#[derive(Serialize)]
struct Body<'a> {
    encoding: &'static str,
    data: Cow<'a, str>,
}

impl External {
    /// The question about a request, as the body of a `POST` with `content-type: application/json`. `body` is the
    /// body of the request where [`body_bytes`](Self::body_bytes) asks for it.
    ///
    /// # Errors
    /// It cannot be written, which happens only where memory ends.
    pub fn question(
        &self,
        parts: &request::Parts,
        body: Option<&[u8]>,
        variables: &dyn Variables,
    ) -> Result<Bytes, serde_json::Error> {
        let mut headers = BTreeMap::new();
        for name in &self.headers {
            let values: Vec<_> = parts
                .headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            if !values.is_empty() {
                headers.insert(name.as_str(), values);
            }
        }
        let body = body.filter(|_| self.body_bytes.is_some()).map(|body| match std::str::from_utf8(body) {
            Ok(text) => Body { encoding: "text", data: text.into() },
            Err(_) => Body { encoding: "base64", data: STANDARD.encode(body).into() },
        });
        let question = Question {
            version: VERSION,
            request_id: variables.value(Variable::RequestId),
            route: variables.value(Variable::Route),
            client_ip: variables.value(Variable::ClientIp),
            scheme: variables.value(Variable::Scheme),
            host: variables.value(Variable::Host),
            method: parts.method.as_str(),
            path: parts.uri.path_and_query().map_or("/", |path| path.as_str()),
            headers,
            body,
        };
        serde_json::to_vec(&question).map(Bytes::from)
    }
}
