//! JSON bodies put together anew: a template is JSON whose strings may hold placeholders, and nothing more. There are
//! no conditions, no loops, no functions.
//!
//! ```yaml
//! template:
//!   request:
//!     body: {"id": "{body.order.id}", "user": "{header.x-user}", "note": "from {client_ip}", "raw": "{body}"}
//! ```
//!
//! - `{body}` is the body, `{body.a.0.b}` a value in it: names of fields and numbers of items, between dots.
//! - `{header.x-user}` is a header, as it stands when the body is put together.
//! - Any other name is a variable, as in the values of headers: `{client_ip}`, `{route}`, the captures of the path.
//! - A string that is one placeholder and nothing else becomes the value itself, of whatever kind; `null` where there
//!   is none. Numbers keep their digits.
//! - In a longer string a string is put in as it is, nothing where there is no value, anything else as JSON.
//! - `{{` and `}}` are braces. Names of fields in the template are taken as they are.
//!
//! Fields come out in the order of their names.

mod config;
mod extract;
mod node;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{StatusCode, response};

pub use config::{BodyTemplateConfig, TemplateConfig};

use crate::config::InvalidConfig;
use crate::fields::{forget_bytes, is_json};
use crate::{Variables, names};
use node::{Compiler, Node};

/// A template, read once.
#[derive(Clone, Debug)]
pub struct Template {
    node: Node,
    wanted: extract::Wanted,
    slots: usize,
    max_bytes: usize,
}

/// Why a body cannot be put together anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The body does not say that it is JSON, or is compressed.
    #[error("the body is not plain JSON by its headers")]
    NotJson,
    /// The body has more bytes than may be held.
    #[error("the body has more than {max} bytes")]
    TooLarge {
        /// How many may be held.
        max: usize,
    },
    /// The body is not JSON, or says something twice that is asked for.
    #[error("the body is malformed JSON at line {line}, column {column}")]
    Malformed {
        /// Where, from 1 on.
        line: usize,
        /// Where in the line, from 1 on.
        column: usize,
    },
    /// What the template wrote is longer than
    /// [`TEMPLATE_OUTPUT_BYTES_MAX`](crate::limits::TEMPLATE_OUTPUT_BYTES_MAX).
    #[error("the new body becomes too long")]
    OutputTooLarge,
}

impl TemplateError {
    /// What a client is answered where its request was it. Where it was an answer of the service, it is 502.
    pub const fn request_status(&self) -> StatusCode {
        match self {
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } | Self::OutputTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Malformed { .. } => StatusCode::BAD_REQUEST,
        }
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// The first value that is wrong, by its path.
    pub fn new(config: &BodyTemplateConfig) -> Result<Self, InvalidConfig> {
        config.check_size()?;
        let mut compiler = Compiler::default();
        let node = compiler.read(&config.body, "body")?;
        Ok(Self { node, wanted: compiler.wanted, slots: compiler.slots, max_bytes: config.max_bytes })
    }

    /// Bytes of a body that may be held to be put together anew.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// The new body. It costs one pass over the old one, and the writing.
    ///
    /// # Errors
    /// The body cannot be read, or the new one becomes too long.
    pub fn render(
        &self,
        body: &[u8],
        headers: &HeaderMap,
        variables: &dyn Variables,
    ) -> Result<Bytes, TemplateError> {
        if body.len() > self.max_bytes {
            return Err(TemplateError::TooLarge { max: self.max_bytes });
        }
        let values = extract::extract(&self.wanted, self.slots, body)?;
        let mut out = Vec::with_capacity(body.len());
        self.node.write(&node::Sources { values: &values, headers, variables }, &mut out)?;
        Ok(out.into())
    }

    /// The new body of a message whose headers say that the old one is JSON; they tell the length of the new one then,
    /// and nothing that held for the bytes of the old.
    ///
    /// # Errors
    /// As [`render`](Self::render), and where the headers say that it is not JSON, or compressed.
    pub fn rewrite(
        &self,
        headers: &mut HeaderMap,
        body: &[u8],
        variables: &dyn Variables,
    ) -> Result<Bytes, TemplateError> {
        let is_plain = headers.get_all(header::CONTENT_ENCODING).iter().all(|coding| coding == "identity");
        if !is_json(headers) || !is_plain {
            return Err(TemplateError::NotJson);
        }
        let rendered = self.render(body, headers, variables)?;
        forget_bytes(headers);
        // Its length is known now, and a message says that in one way only.
        headers.remove(header::TRANSFER_ENCODING);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(rendered.len()));
        Ok(rendered)
    }

    /// The captures of a path that it speaks of.
    pub fn captures(&self) -> impl Iterator<Item = &str> {
        let mut captures = Vec::new();
        self.node.captures(&mut captures);
        captures.into_iter()
    }
}

/// Whether an answer is one whose body is put together anew: a success, whole, with JSON in it. What fails says why in
/// words of its own, and keeps them.
pub fn takes_answer(parts: &response::Parts) -> bool {
    let has_body = !matches!(
        parts.status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT
    );
    parts.status.is_success() && has_body && is_json(&parts.headers)
}

/// Asks the service for an answer that can be read: plain, whole, and whether or not it has changed.
pub fn ask_for_plain_answer(headers: &mut HeaderMap) {
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for name in [
        header::IF_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_NONE_MATCH,
        header::IF_RANGE,
        header::IF_UNMODIFIED_SINCE,
        header::RANGE,
    ] {
        headers.remove(name);
    }
}

/// Drops from a rewritten answer what named the old body.
pub fn forget_validators(headers: &mut HeaderMap) {
    headers.remove(header::ETAG);
    headers.remove(header::LAST_MODIFIED);
}

/// Reads the name of a header in a placeholder.
fn header_name(name: &str) -> Result<http::HeaderName, String> {
    names::parse(name).map_err(|problem| format!("`{{header.{name}}}`: {problem}"))
}

#[cfg(test)]
mod tests;
