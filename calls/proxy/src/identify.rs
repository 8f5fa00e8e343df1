//! Second stop: who is it. Nobody can prove an identity yet, so that a route is either public or refused, and what a
//! client claims to have proven is dropped.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::REQUEST_ID_BYTES;
use crate::problem::Problem;
use crate::route::Access;

const PRINCIPAL: HeaderName = HeaderName::from_static("mamparo-principal");
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Whether a request may pass without an identity.
pub(crate) fn check(access: Access) -> Result<(), Problem> {
    match access {
        Access::Public => Ok(()),
        Access::Identified => Err(Problem::IdentityRequired),
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
