//! All that a route changes, behind one face, and the order in which it happens.

mod body;
mod config;

use std::io;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName};
use http::{Method, Response, request, response};
use http_body::{Body, SizeHint};

pub use body::{AnswerBody, RequestBody};
pub use config::TransformConfig;

use crate::compress::{Coding, Compress};
use crate::cors::{Cors, Grant};
use crate::external::{Allowed, External, Mutations};
use crate::grpc_web::{self, AnswerForm, Call, GrpcWebConfig};
use crate::headers::Headers;
use crate::template::{self, Template, TemplateError};
use crate::{Content, InvalidConfig, Variables};

/// All that a route changes about requests and answers, read once from its file.
///
/// The proxy calls it in this order, for each request:
///
/// 1. [`begin`](Self::begin), as soon as the route is known, on the headers as the client sent them (but for those of
///    the connection): it remembers what the answer will need. From here on every answer of the proxy's own passes
///    [`own_answer`](Self::own_answer), so that a page may read a refusal too.
/// 2. [`preflight`](Self::preflight), before anybody is asked for an identity: what it answers goes out as it is.
/// 3. Identity, admission: not of this crate.
/// 4. [`external`](Self::external): where there is a hook, the body is [gathered](crate::gather) if it asks for it, the
///    [question](External::question) sent, and the [verdict](External::verdict) read. A denial is answered, through
///    `own_answer`; consent goes to [`allowed`](Self::allowed).
/// 5. [`request`](Self::request), after claims of clients were replaced (`x-forwarded-*`): the head as the service gets
///    it.
/// 6. Where [`rewrites_request`](Self::rewrites_request) says so: the body is gathered up to so many bytes (unless it
///    was for the hook), and [`rewrite_request`](Self::rewrite_request) makes the new one.
/// 7. [`request_body`](Self::request_body) wraps the body, whatever became of it; or wraps it before it is gathered: a
///    hook is shown the messages then, and not their base64. The request is sent; over HTTP/2 where
///    [`Exchange::is_grpc_web`] says so.
/// 8. Where [`rewrites_answer`](Self::rewrites_answer) says so of the answer: its body is gathered, and
///    [`rewrite_answer`](Self::rewrite_answer) makes the new one.
/// 9. [`answer`](Self::answer): the head as the client gets it, and what becomes of the body.
/// 10. [`answer_body`](Self::answer_body) wraps the body.
///
/// What a route does not configure costs a branch.
#[derive(Clone, Debug, Default)]
pub struct Transform {
    headers: Headers,
    cors: Option<Cors>,
    compress: Option<Compress>,
    grpc_web: Option<GrpcWebConfig>,
    request_template: Option<Template>,
    answer_template: Option<Template>,
    external: Option<External>,
}

/// What is remembered of a request until it is answered.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    grant: Grant,
    coding: Option<Coding>,
    is_head: bool,
    call: Option<Call>,
    /// What a hook changes about the answer. Boxed, as most requests have none.
    mutations: Option<Box<Mutations>>,
}

impl Exchange {
    /// Whether the client speaks gRPC-Web here, so that the service is to be spoken to over HTTP/2.
    pub fn is_grpc_web(&self) -> bool {
        self.call.is_some()
    }
}

/// What becomes of the body of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerPlan {
    grpc_web: Option<AnswerForm>,
    coding: Option<Coding>,
}

impl AnswerPlan {
    /// Whether the body passes as it is.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

impl Transform {
    /// Reads what a file says.
    ///
    /// # Errors
    /// The first value that is wrong, by its path.
    pub fn new(config: &TransformConfig) -> Result<Self, InvalidConfig> {
        config::read(config)
    }

    /// The captures of the path of the route that it speaks of: the route must have them.
    pub fn captures(&self) -> impl Iterator<Item = &str> {
        let templates = self.request_template.iter().chain(&self.answer_template);
        self.headers.captures().chain(templates.flat_map(Template::captures))
    }

    /// Whether it answers preflight requests, which then must reach its route whatever methods that takes.
    pub fn answers_preflights(&self) -> bool {
        self.cors.is_some()
    }

    /// Whether it makes calls by gRPC-Web calls by gRPC, for which services are spoken to over HTTP/2.
    pub fn takes_grpc_web(&self) -> bool {
        self.grpc_web.is_some()
    }

    /// Remembers what the answer will need.
    pub fn begin(&self, method: &Method, headers: &HeaderMap) -> Exchange {
        Exchange {
            grant: self.cors.as_ref().map(|cors| cors.grant(headers)).unwrap_or_default(),
            coding: self.compress.as_ref().and_then(|compress| compress.accepted(headers)),
            is_head: *method == Method::HEAD,
            call: self.grpc_web.as_ref().and_then(|config| grpc_web::detect(config, method, headers)),
            mutations: None,
        }
    }

    /// The answer to a preflight request, if it is one and the route has rules for it. Its body is empty.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response<()>> {
        self.cors.as_ref()?.preflight(method, headers)
    }

    /// The hook that is asked about requests.
    pub fn external(&self) -> Option<&External> {
        self.external.as_ref()
    }

    /// Does to the request what a hook asks for, and remembers what it asks for the answer.
    pub fn allowed(&self, exchange: &mut Exchange, allowed: Allowed, headers: &mut HeaderMap) {
        allowed.request.apply(headers);
        if !allowed.answer.is_empty() {
            exchange.mutations = Some(Box::new(allowed.answer));
        }
    }

    /// Makes the head of a request what the service gets.
    pub fn request(&self, exchange: &Exchange, parts: &mut request::Parts, variables: &dyn Variables) {
        if let Some(call) = exchange.call {
            grpc_web::request(call, parts);
        }
        if self.answer_template.is_some() {
            template::ask_for_plain_answer(&mut parts.headers);
        }
        self.headers.request(&mut parts.headers, variables);
    }

    /// Bytes that may be held of the body of a request to put it together anew; nothing where it passes, as one that is
    /// empty does.
    pub fn rewrites_request<B: Body>(&self, body: &B) -> Option<usize> {
        let template = self.request_template.as_ref().filter(|_| !body.is_end_stream())?;
        Some(template.max_bytes())
    }

    /// Puts the body of a request together anew.
    ///
    /// # Errors
    /// It cannot be read, or becomes too long: [`TemplateError::request_status`] says what is answered.
    pub fn rewrite_request(
        &self,
        parts: &mut request::Parts,
        body: &Bytes,
        variables: &dyn Variables,
    ) -> Result<Bytes, TemplateError> {
        match &self.request_template {
            Some(template) => template.rewrite(&mut parts.headers, body, variables),
            None => Ok(body.clone()),
        }
    }

    /// The body of a request on its way to the service.
    pub fn request_body<B: Body<Data = Bytes>>(
        &self,
        exchange: &Exchange,
        body: Content<B>,
    ) -> RequestBody<B> {
        RequestBody::new(exchange.call, body)
    }

    /// Bytes that may be held of the body of an answer to put it together anew; nothing where it passes.
    pub fn rewrites_answer<B: Body>(
        &self,
        exchange: &Exchange,
        parts: &response::Parts,
        body: &B,
    ) -> Option<usize> {
        let template = self.answer_template.as_ref()?;
        let takes = !exchange.is_head && !body.is_end_stream() && template::takes_answer(parts);
        takes.then(|| template.max_bytes())
    }

    /// Puts the body of an answer together anew.
    ///
    /// # Errors
    /// It cannot be read, or becomes too long: 502, as it is the service's.
    pub fn rewrite_answer(
        &self,
        parts: &mut response::Parts,
        body: &Bytes,
        variables: &dyn Variables,
    ) -> Result<Bytes, TemplateError> {
        let Some(template) = &self.answer_template else { return Ok(body.clone()) };
        let rendered = template.rewrite(&mut parts.headers, body, variables)?;
        template::forget_validators(&mut parts.headers);
        Ok(rendered)
    }

    /// Makes the head of an answer of the service what the client gets, and says what becomes of its body, of which
    /// `size` is known.
    pub fn answer(
        &self,
        exchange: &Exchange,
        parts: &mut response::Parts,
        size: &SizeHint,
        variables: &dyn Variables,
    ) -> AnswerPlan {
        let grpc_web = exchange.call.and_then(|call| grpc_web::answer(call, parts));
        if let Some(mutations) = &exchange.mutations {
            mutations.apply(&mut parts.headers);
        }
        self.own_answer(exchange, &mut parts.headers, variables);
        // Trailers make a body longer than it says of itself.
        let size = if grpc_web.is_some() { &SizeHint::default() } else { size };
        let compress = self.compress.as_ref();
        let coding =
            compress.and_then(|compress| compress.answer(exchange.coding, exchange.is_head, parts, size));
        AnswerPlan { grpc_web, coding }
    }

    /// Makes the headers of an answer of the proxy's own what the client gets: by the rules for answers, and so that a
    /// page that may read answers may read this one. Its body passes as it is.
    pub fn own_answer(&self, exchange: &Exchange, headers: &mut HeaderMap, variables: &dyn Variables) {
        self.headers.answer(headers, variables);
        if let Some(cors) = &self.cors {
            cors.answer(&exchange.grant, headers);
        }
    }

    /// Makes the head of an answer that grants a WebSocket what the client gets: by the rules for answers, and with what a
    /// hook has said. What belongs to the handshake stays as the service has it.
    pub fn grant(&self, exchange: &Exchange, headers: &mut HeaderMap, variables: &dyn Variables) {
        let is_of_handshake = |name: &HeaderName| name.as_str().starts_with("sec-websocket-");
        let before = headers.clone();
        if let Some(mutations) = &exchange.mutations {
            mutations.apply(headers);
        }
        self.own_answer(exchange, headers, variables);
        let now: Vec<HeaderName> = headers.keys().filter(|name| is_of_handshake(name)).cloned().collect();
        for name in now {
            headers.remove(name);
        }
        for (name, value) in before.iter().filter(|(name, _)| is_of_handshake(name)) {
            headers.append(name, value.clone());
        }
    }

    /// The body of an answer on its way to the client.
    ///
    /// # Errors
    /// Memory for a coder could not be had.
    pub fn answer_body<B>(&self, plan: AnswerPlan, body: Content<B>) -> io::Result<AnswerBody<B>>
    where
        B: Body<Data = Bytes>,
        B::Error: std::error::Error + 'static,
    {
        AnswerBody::new(plan.grpc_web, plan.coding.zip(self.compress.as_ref()), body)
    }
}

#[cfg(test)]
mod tests;
