//! Second stop: who is it. Nobody can prove an identity yet, so that a route is either public or refused, and what a
//! client claims to have proven is dropped.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::accept::Peer;
use crate::limits::REQUEST_ID_BYTES;
use crate::problem::Problem;
use crate::route::{Access, host_of};

const PRINCIPAL: HeaderName = HeaderName::from_static("mamparo-principal");
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Whether a request may pass without an identity.
pub(crate) fn check(access: Access) -> Result<(), Problem> {
    match access {
        Access::Public => Ok(()),
        Access::Identified => Err(Problem::IdentityRequired),
    }
}

/// Whether a request may come over the connection it came over: one whose client has proven who it is by a certificate
/// is for the host that the handshake was for, and for those that are shown the very same certificate (RFC 9110, 7.4).
/// What cannot be read as a host is told elsewhere.
pub(crate) fn is_directed(peer: &Peer, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(bound) = &peer.client.bound else { return Ok(()) };
    let named = headers.get(header::HOST).and_then(|host| host.to_str().ok()).and_then(host_of);
    match named {
        Some(host) if !bound.is_for(&host) => Err(Problem::Misdirected),
        _ => Ok(()),
    }
}

/// Drops what a client claims to have proven.
pub(crate) fn drop_claims(headers: &mut HeaderMap) {
    headers.remove(PRINCIPAL);
}

/// The id under which the client knows the request, if it brought one that can be carried on.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut values = headers.get_all(X_REQUEST_ID).iter();
    let id = values.next()?;
    let good =
        !id.is_empty() && id.len() <= REQUEST_ID_BYTES && id.as_bytes().iter().all(u8::is_ascii_graphic);
    (good && values.next().is_none()).then(|| id.clone())
}
