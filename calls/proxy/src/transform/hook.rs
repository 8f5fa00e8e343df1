//! The call of a hook: a question to a service like any other, over the connections that requests to it go over.

use std::rc::Rc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri};
use mamparo_context::TraceContext;
use mamparo_transform::external::{External, HookError, Verdict};
use mamparo_transform::limits::HOOK_ANSWER_BYTES_MAX;
use mamparo_transform::{GatherError, gather};
use tokio::time::timeout_at;

use crate::admit;
use crate::forward::{Errand, Upload};
use crate::identify::X_REQUEST_ID;
use crate::limits::after;
use crate::problem::Problem;
use crate::respond::{BrokenOff, Flow, Stream};

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("there is no such service")]
    Service,
    #[error("it took too long")]
    Late,
    #[error(transparent)]
    Problem(#[from] Problem),
    #[error("its answer cannot be read")]
    Body(#[from] GatherError<BrokenOff>),
    #[error(transparent)]
    Answer(#[from] HookError),
}

/// Asks `hook` about the request of `errand`, within its time and that of the request.
pub(super) async fn ask(
    errand: &Errand<'_>,
    hook: &External,
    question: Bytes,
    id: &HeaderValue,
    trace: &TraceContext,
) -> Result<Verdict, Failure> {
    let (worker, snapshot) = (errand.worker, Rc::clone(&errand.snapshot));
    let number = snapshot.routing.service_named(&hook.config().service).ok_or(Failure::Service)?;
    let service = snapshot.routing.services().get(number).ok_or(Failure::Service)?;
    let deadline = errand.deadline.min(after(worker.clock.now(), hook.config().timeout));
    let to = Errand::to(worker, Rc::clone(&snapshot), number, &service.settings, deadline);
    let own = Errand { is_free: true, ..to };
    let request = request(hook, &service.name, question, id, trace).ok_or(Failure::Service)?;
    let asked = async {
        let (answer, lease) = own.send(request, trace).await?;
        let (parts, body) = answer.into_parts();
        let stream = Stream::new((body, Flow { lease, deadline }), None, worker);
        let whole = gather(stream, HOOK_ANSWER_BYTES_MAX).await?;
        Ok(hook.verdict(parts.status, &parts.headers, &whole.data)?)
    };
    timeout_at(deadline.into(), asked).await.map_err(|_| Failure::Late)?
}

fn request(
    hook: &External,
    service: &str,
    question: Bytes,
    id: &HeaderValue,
    trace: &TraceContext,
) -> Option<Request<Upload>> {
    let length = HeaderValue::from(question.len());
    let mut request = Request::new(Upload::whole(question));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from(PathAndQuery::try_from(hook.config().path.as_str()).ok()?);
    let json = HeaderValue::from_static("application/json");
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_str(service).ok()?);
    headers.insert(header::CONTENT_TYPE, json.clone());
    headers.insert(header::ACCEPT, json);
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(X_REQUEST_ID, id.clone());
    admit::write_trace(headers, trace, false);
    Some(request)
}
