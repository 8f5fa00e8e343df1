//! What is kept of a request so that it can be sent once more, and how a request is dressed for the protocol of the
//! connection that it goes out on.

use std::error::Error as _;
use std::rc::Rc;

use http::header::{self, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Method, Request, Version};
use http_body::Body as _;
use mamparo_context::{Context, IdempotencyKey};

use super::{Errand, Failed, Kept, Upload};
use crate::problem::Problem;
use crate::route::Settings;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that may be sent once more.
pub(super) struct Spare {
    head: Request<()>,
    body: Again,
    /// Whether it may be sent once more without asking anybody: it changes nothing, and has no body.
    free: bool,
}

/// Where the body is taken from.
enum Again {
    /// It is at hand, or there is none.
    AtHand(Upload),
    Kept(Rc<Kept>),
}

impl Spare {
    /// Of a request that has no body, or one that is at hand or kept.
    pub(super) fn of(request: &Request<Upload>, errand: &Errand<'_>) -> Option<Self> {
        let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let is_safe = is_safe && request.body().is_end_stream() || errand.is_free;
        let free = is_safe && errand.settings.repeat_safe;
        let Settings { retry, hedge, .. } = errand.settings;
        // One of several that are under way beside each other is not hedged once more.
        let hedge = hedge.as_ref().filter(|_| errand.beside.is_none());
        if errand.upgrades || !free && retry.is_none() && hedge.is_none() {
            return None;
        }
        let body = match &errand.kept {
            Some(kept) => Again::Kept(Rc::clone(kept)),
            None => Again::AtHand(request.body().copy()?),
        };
        Some(Self { head: with_head_of(request, ()), body, free })
    }

    /// Whether it can be sent once more.
    pub(super) fn is_there(&self) -> bool {
        match &self.body {
            Again::AtHand(_) => true,
            Again::Kept(kept) => kept.is_whole(),
        }
    }

    /// Whether it can be sent once more for nothing.
    pub(super) fn is_for_free(&self) -> bool {
        self.free
    }

    /// Whether it is sent once more for nothing, which is done once: nobody has seen it, or it changes nothing and
    /// the connection broke.
    pub(super) fn is_free(&self, failed: &Failed) -> bool {
        self.free && (failed.unseen || failed.problem == Problem::BrokenOff)
    }

    /// It, once.
    pub(super) fn take(&mut self) -> Option<Request<Upload>> {
        self.free = false;
        self.again()
    }

    /// It, again.
    pub(super) fn again(&self) -> Option<Request<Upload>> {
        if !self.is_there() {
            return None;
        }
        let body = match &self.body {
            Again::AtHand(body) => body.copy()?,
            Again::Kept(kept) => kept.again(),
        };
        Some(with_head_of(&self.head, body))
    }

    /// Whether its method says that asking twice does what asking once does (RFC 9110, 9.2.2).
    pub(super) fn is_idempotent(&self) -> bool {
        matches!(
            *self.head.method(),
            Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
        )
    }

    /// What a policy that has it sent again wants to know of it, too.
    pub(super) fn context(&self, cx: Context) -> Context {
        let key = self.head.headers().get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok());
        match key.and_then(|key| key.parse::<IdempotencyKey>().ok()) {
            Some(key) => cx.with_idempotency_key(key),
            None => cx,
        }
    }
}

/// `body` under the head of another request.
fn with_head_of<A, B>(request: &Request<A>, body: B) -> Request<B> {
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// A copy without the body.
pub(super) fn bare(request: &Request<Upload>) -> Request<Upload> {
    with_head_of(request, Upload::NONE)
}

/// Whether the other end says that it has not looked at the request (RFC 9113, 8.7).
pub(super) fn is_refused(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| cause.is_remote() && cause.reason() == Some(h2::Reason::REFUSED_STREAM))
}

/// As it goes out on a connection of HTTP/1.1.
pub(super) fn fit_http1(request: &mut Request<Upload>, takes_trailers: bool, upgrades: bool) {
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    if takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    if upgrades {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
}

/// Makes a request that was not sent what it was before [`fit_http2`]: it may go out on a connection of HTTP/1.1 next.
pub(super) fn unfit_http2(mut request: Request<Upload>) -> Request<Upload> {
    if request.version() != Version::HTTP_2 {
        return request;
    }
    *request.version_mut() = Version::HTTP_11;
    let authority = request.uri().authority().and_then(|host| HeaderValue::try_from(host.as_str()).ok());
    if let Some(host) = authority {
        request.headers_mut().insert(header::HOST, host);
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    }
    if request.body().is_open_ended() {
        request.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    request
}

/// As it goes out on a connection of HTTP/2.
pub(super) fn fit_http2(
    request: &mut Request<Upload>,
    takes_trailers: bool,
    is_secure: bool,
) -> Result<(), Problem> {
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::CONNECTION);
    if takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    let Some(host) = headers.remove(header::HOST) else { return Ok(()) };
    let authority = Authority::try_from(host.as_bytes()).map_err(|_| Problem::Host)?;
    let path = request.uri().path_and_query().cloned();
    let uri = Uri::builder()
        .scheme(if is_secure { Scheme::HTTPS } else { Scheme::HTTP })
        .authority(authority)
        .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    *request.uri_mut() = uri.build().map_err(|_| Problem::Path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_sent_over_http2_can_go_out_over_either() {
        let as_it_came = || {
            let request = Request::get("/a?b").header(header::HOST, "x.example:81").header("x-a", "1");
            request.body(Upload::NONE).unwrap()
        };
        let mut request = as_it_came();
        fit_http2(&mut request, false, false).unwrap();
        assert_eq!(request.uri(), "http://x.example:81/a?b");
        let mut request = unfit_http2(request);
        let own = as_it_came();
        assert_eq!((request.uri(), request.headers()), (own.uri(), own.headers()));
        assert_eq!(request.version(), Version::HTTP_11);
        fit_http2(&mut request, false, true).unwrap();
        assert_eq!(request.uri(), "https://x.example:81/a?b", "to another service, by its own scheme");
    }
}
