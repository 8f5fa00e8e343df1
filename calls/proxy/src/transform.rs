//! What a route changes about a request and its answer, in the order in which `mamparo_transform::Transform` says that it
//! is called: here its decisions are carried out, and whoever is to be asked is asked.

mod facts;
mod hook;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Request, Response, request, response};
use http_body::{Body as _, SizeHint};
use hyper::body::Incoming;
use mamparo_context::TraceContext;
use mamparo_transform::external::{OnFailure, Verdict};
use mamparo_transform::template::TemplateError;
use mamparo_transform::{AnswerBody, BodyError, Content, Exchange, GatherError, Transform, Whole, gather};
use tokio::time::timeout_at;

use crate::forward::{Errand, Source, Upload};
use crate::problem::Problem;
use crate::respond::{Body, BrokenOff, Left, Stream, Tail, Ticket};
pub(crate) use facts::Facts;

/// A request of a route that changes requests or answers, until it is answered.
pub(crate) struct Transforming {
    transform: Arc<Transform>,
    exchange: Exchange,
    facts: Facts,
}

/// Why a request goes no further.
pub(crate) enum Stopped {
    Problem(Problem),
    /// Whoever was asked about it says no, and this.
    Denied(Box<Response<Bytes>>),
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<TemplateError> for Stopped {
    fn from(error: TemplateError) -> Self {
        Self::Problem(Problem::Template(error))
    }
}

/// The body of an answer, before anybody minds it.
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation per request")]
pub(crate) enum Changed {
    /// It passes.
    Plain(Stream),
    /// It is at hand.
    Whole(Bytes),
    /// In other words; and where the request leaves what it holds, should it be read on without the client.
    Other(Pin<Box<AnswerBody<Tail>>>, Option<Left>),
}

impl Changed {
    pub(crate) fn with(self, ticket: Ticket) -> Body {
        match self {
            Self::Plain(stream) => Body::service(stream, ticket),
            Self::Whole(bytes) => Body::own(bytes, ticket),
            Self::Other(body, left) => Body::changed(body, left, ticket),
        }
    }
}

impl Transforming {
    /// Remembers what the answer will need.
    pub(crate) fn begin<B>(transform: &Arc<Transform>, request: &Request<B>, facts: Facts) -> Self {
        let exchange = transform.begin(request.method(), request.headers());
        Self { transform: Arc::clone(transform), exchange, facts }
    }

    pub(crate) fn is_grpc_web(&self) -> bool {
        self.exchange.is_grpc_web()
    }

    /// The body of the request in the words of the service.
    pub(crate) fn body(&self, incoming: Incoming) -> Source {
        if !self.is_grpc_web() {
            return Source::Plain(incoming);
        }
        Source::GrpcWeb(Box::new(self.transform.request_body(&self.exchange, Content::stream(incoming))))
    }

    /// Makes a request what its service gets, if nobody is against it.
    async fn onward(
        &mut self,
        errand: &mut Errand<'_>,
        request: Request<Upload>,
        trace: &TraceContext,
    ) -> Result<Request<Upload>, Stopped> {
        let (mut parts, mut body) = request.into_parts();
        if self.transform.external().is_some() {
            body = self.ask(errand, &mut parts, body, trace).await?;
        }
        self.transform.request(&self.exchange, &mut parts, &self.facts);
        if let Some(most) = self.transform.rewrites_request(&body) {
            let (_, bytes) = held(errand, body, most).await?;
            body = Upload::whole(self.transform.rewrite_request(&mut parts, &bytes, &self.facts)?);
        }
        Ok(Request::from_parts(parts, body))
    }

    /// Asks the hook of the route about a request.
    async fn ask(
        &mut self,
        errand: &mut Errand<'_>,
        parts: &mut request::Parts,
        mut body: Upload,
        trace: &TraceContext,
    ) -> Result<Upload, Stopped> {
        let Some(hook) = self.transform.external() else { return Ok(body) };
        let mut shown = None;
        if let Some(most) = hook.body_bytes() {
            let (held, bytes) = held(errand, body, most).await?;
            (body, shown) = (held, Some(bytes));
        }
        let question = hook.question(parts, shown.as_deref(), &self.facts).map_err(|_| Problem::Memory)?;
        match hook::ask(errand, hook, question, &self.facts.id, trace).await {
            Ok(Verdict::Allow(allowed)) => {
                self.transform.allowed(&mut self.exchange, allowed, &mut parts.headers);
                Ok(body)
            }
            Ok(Verdict::Deny(denied)) => Err(Stopped::Denied(Box::new(denied.into_response()))),
            Err(failure) => {
                let route = &*self.facts.route;
                tracing::debug!(route, error = &failure as &dyn std::error::Error, "a hook gave no verdict");
                errand.worker.metrics.hook_failures.inc();
                match hook.config().on_failure {
                    OnFailure::Allow => Ok(body),
                    OnFailure::Deny => Err(Problem::Hook.into()),
                }
            }
        }
    }

    /// Makes the head of an answer of the proxy's own what the client gets.
    pub(crate) fn own_answer(&self, headers: &mut HeaderMap) {
        self.transform.own_answer(&self.exchange, headers, &self.facts);
    }

    /// Makes the head of an answer that grants another protocol what the client gets.
    pub(crate) fn granted(&self, headers: &mut HeaderMap) {
        self.transform.grant(&self.exchange, headers, &self.facts);
    }

    /// Makes an answer of the service what the client gets.
    pub(crate) async fn told(
        &self,
        mut parts: response::Parts,
        stream: Stream,
    ) -> Result<(response::Parts, Changed), Problem> {
        let Some(most) = self.transform.rewrites_answer(&self.exchange, &parts, &stream) else {
            return self.told_so(parts, Err(stream));
        };
        let whole = gather(Tail::new(stream), most).await.map_err(|error| match error {
            GatherError::Inner(broken) => broken.problem(),
            GatherError::TooLarge { .. } => Problem::AnswerTemplate,
        })?;
        let data = self.anew(&mut parts, &whole.data)?;
        self.told_so(parts, Ok(Whole { data, ..whole }))
    }

    /// Makes an answer that is at hand what the client gets.
    pub(crate) fn told_at_hand(
        &self,
        mut parts: response::Parts,
        mut data: Bytes,
    ) -> Result<(response::Parts, Changed), Problem> {
        if self
            .transform
            .rewrites_answer(&self.exchange, &parts, &Content::<Tail>::whole(whole(&data)))
            .is_some()
        {
            data = self.anew(&mut parts, &data)?;
        }
        self.told_so(parts, Ok(whole(&data)))
    }

    /// The body of an answer, put together anew.
    fn anew(&self, parts: &mut response::Parts, data: &Bytes) -> Result<Bytes, Problem> {
        self.transform.rewrite_answer(parts, data, &self.facts).map_err(|_| Problem::AnswerTemplate)
    }

    fn told_so(
        &self,
        mut parts: response::Parts,
        content: Result<Whole, Stream>,
    ) -> Result<(response::Parts, Changed), Problem> {
        let size = match &content {
            Ok(whole) => SizeHint::with_exact(whole.data.len() as u64),
            Err(stream) => stream.size_hint(),
        };
        let plan = self.transform.answer(&self.exchange, &mut parts, &size, &self.facts);
        let (content, left) = match content {
            Err(stream) if plan.is_plain() => return Ok((parts, Changed::Plain(stream))),
            Ok(Whole { data, trailers: None }) if plan.is_plain() => {
                return Ok((parts, Changed::Whole(data)));
            }
            Ok(whole) => (Content::whole(whole), None),
            Err(stream) => {
                let is_kept = stream.is_kept();
                let tail = Tail::new(stream);
                let left = is_kept.then(|| tail.left());
                (Content::stream(tail), left)
            }
        };
        let body = self.transform.answer_body(plan, content).map_err(|_| Problem::Memory)?;
        Ok((parts, Changed::Other(Box::pin(body), left)))
    }
}

fn whole(data: &Bytes) -> Whole {
    Whole { data: data.clone(), trailers: None }
}

/// Makes a request what its service gets, if nobody is against it.
pub(crate) async fn onward(
    ticket: &mut Ticket,
    errand: &mut Errand<'_>,
    request: Request<Upload>,
) -> Result<Request<Upload>, Stopped> {
    match &mut ticket.transforming {
        Some(transforming) => transforming.onward(errand, request, &ticket.trace).await,
        None => Ok(request),
    }
}

/// The body, held, and its bytes.
async fn held(errand: &mut Errand<'_>, body: Upload, most: usize) -> Result<(Upload, Bytes), Problem> {
    if let Some(bytes) = body.bytes() {
        return if bytes.len() <= most { Ok((body, bytes)) } else { Err(Problem::BodyTooLarge) };
    }
    let gathered = timeout_at(errand.deadline.into(), gather(body, most)).await;
    let whole = gathered.map_err(|_| Problem::Deadline)?.map_err(|error| match error {
        GatherError::Inner(problem) => problem,
        GatherError::TooLarge { .. } => Problem::BodyTooLarge,
    })?;
    // From here on it is at hand, and can be sent as often as it must.
    (errand.fate, errand.kept) = (None, None);
    let bytes = whole.data.clone();
    Ok((Upload::held(whole), bytes))
}

/// Why an answer in other words breaks off.
pub(crate) fn broken_off(error: BodyError<BrokenOff>) -> BrokenOff {
    BrokenOff::Untold(match error {
        BodyError::Inner(broken) => return broken,
        BodyError::Base64 => BodyError::<Infallible>::Base64,
        BodyError::Trailers => BodyError::Trailers,
        BodyError::Coder(error) => BodyError::Coder(error),
    })
}
