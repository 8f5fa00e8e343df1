//! gRPC-Web, which browsers speak, as gRPC, which services speak
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>): the trailers of an answer become its last
//! message, and the base64 form is read and written on the way.
//!
//! The service must be spoken to over HTTP/2 (`content-type: application/grpc`, `te: trailers`); the client may speak
//! any version. Answers that are no gRPC, such as the proxy's own problems, pass as they are: clients read their status.
//! Pages of other origins need `cors` besides, with `expose: [grpc-status, grpc-message]`.

mod answer;
mod base64;
mod request;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, request as http_request, response as http_response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use answer::AnswerBody;
pub use request::RequestBody;

use crate::config::InvalidConfig;
use crate::fields::{essence, forget_bytes, members};

const GRPC: &str = "application/grpc";
const WEB: &str = "application/grpc-web";
const WEB_TEXT: &str = "application/grpc-web-text";
const GRPC_STATUS: &str = "grpc-status";

/// How gRPC-Web is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GrpcWebConfig {
    /// Whether the base64 form (`application/grpc-web-text`) is understood too, which clients without streams need.
    /// Default: `true`.
    pub text: bool,
}

impl Default for GrpcWebConfig {
    fn default() -> Self {
        Self { text: true }
    }
}

impl GrpcWebConfig {
    /// Whether it can be done: always.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        Ok(())
    }
}

/// The form of one side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Messages as they are.
    Binary,
    /// Messages as base64.
    Text,
}

/// A call by gRPC-Web.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The form of the request.
    pub request: Form,
    /// The form that the client wants the answer in.
    pub answer: Form,
}

/// What becomes of the body of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerForm {
    form: Form,
    /// The status stands in the head already, so that none is missing where no trailers come.
    has_status: bool,
}

/// Whether a request is one by gRPC-Web, and of which forms. Pure, and cheap where it is not.
pub fn detect(config: &GrpcWebConfig, method: &Method, headers: &HeaderMap) -> Option<Call> {
    if *method != Method::POST {
        return None;
    }
    let request = form(essence(headers)?)?;
    let accepted = members(headers, &header::ACCEPT)
        .filter_map(|member| member.split(';').next())
        .find_map(|essence| form(essence.trim_end()));
    let answer = accepted.unwrap_or(request);
    let has_text = request == Form::Text || answer == Form::Text;
    (config.text || !has_text).then_some(Call { request, answer })
}

/// Turns the head of a request into one of gRPC. Its body becomes a [`RequestBody`].
pub fn request(call: Call, parts: &mut http_request::Parts) {
    let suffix = suffix(&parts.headers);
    let headers = &mut parts.headers;
    headers.insert(header::CONTENT_TYPE, content_type(GRPC, &suffix));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.remove(header::ACCEPT);
    headers.remove("x-grpc-web");
    if call.request == Form::Text {
        forget_bytes(headers);
    }
}

/// Turns the head of a gRPC answer into one of gRPC-Web, whose body becomes an [`AnswerBody`]; nothing, and no change,
/// where the answer is not gRPC.
pub fn answer(call: Call, parts: &mut http_response::Parts) -> Option<AnswerForm> {
    let essence = essence(&parts.headers)?;
    let is_grpc = essence.get(..GRPC.len()).is_some_and(|front| front.eq_ignore_ascii_case(GRPC))
        && matches!(essence.as_bytes().get(GRPC.len()), None | Some(b'+'));
    if !is_grpc {
        return None;
    }
    let suffix = suffix(&parts.headers);
    let headers = &mut parts.headers;
    let web = if call.answer == Form::Text { WEB_TEXT } else { WEB };
    headers.insert(header::CONTENT_TYPE, content_type(web, &suffix));
    forget_bytes(headers);
    headers.remove(header::TRAILER);
    Some(AnswerForm { form: call.answer, has_status: headers.contains_key(GRPC_STATUS) })
}

fn form(essence: &str) -> Option<Form> {
    let lower = essence.to_ascii_lowercase();
    let (kind, suffix) =
        lower.split_once('+').map_or((lower.as_str(), None), |(kind, suffix)| (kind, Some(suffix)));
    match kind {
        _ if suffix == Some("") => None,
        WEB => Some(Form::Binary),
        WEB_TEXT | "application/grpc-web-text-base64" => Some(Form::Text),
        _ => None,
    }
}

/// `+proto` of `application/grpc-web+proto`, if that can stand in a header.
fn suffix(headers: &HeaderMap) -> String {
    let suffix = essence(headers).and_then(|essence| essence.split_once('+')).map(|(_, suffix)| suffix);
    suffix.map(|suffix| format!("+{}", suffix.to_ascii_lowercase())).unwrap_or_default()
}

fn content_type(kind: &'static str, suffix: &str) -> HeaderValue {
    if suffix.is_empty() {
        return HeaderValue::from_static(kind);
    }
    HeaderValue::try_from(format!("{kind}{suffix}")).unwrap_or(HeaderValue::from_static(kind))
}

#[cfg(test)]
mod tests;
