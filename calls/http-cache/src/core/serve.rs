//! Makes of an answer that is kept the one that a request gets: whole, a part of it, its head, or that it has not changed.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::range::{Part, part};
use super::request::Asked;
use mamparo_context::Moment;

use super::freshness::Times;

/// An answer as it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, without those of the hop.
    pub headers: &'a HeaderMap,
    /// All of its body.
    pub body: &'a Bytes,
    /// What decides over its use.
    pub times: &'a Times,
}

/// What a request gets of it at `now`. Bytes are shared, not copied.
pub fn serve(kept: Kept<'_>, asked: &Asked, request: &HeaderMap, now: Moment) -> Response<Bytes> {
    let mut response = select(kept, asked, request);
    let age = kept.times.age(now).as_secs();
    response.headers_mut().insert(header::AGE, HeaderValue::from(age));
    response
}

fn select(kept: Kept<'_>, asked: &Asked, request: &HeaderMap) -> Response<Bytes> {
    let length = kept.body.len();
    if asked.condition.is_met(kept.status, kept.headers) {
        return not_modified(kept.headers);
    }
    // A head says what the whole would be; a part of another status is no part of what was asked for.
    let wanted = match asked.is_head || kept.status != StatusCode::OK {
        true => Part::Whole,
        false => part(request, kept.headers, length),
    };
    let (status, range, body) = match wanted {
        Part::Whole if asked.is_head => (kept.status, None, Bytes::new()),
        Part::Whole => (kept.status, None, kept.body.clone()),
        Part::Unsatisfiable => {
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(format!("bytes */{length}")), Bytes::new())
        }
        Part::Bytes(bytes) => {
            let said = format!("bytes {}-{}/{length}", bytes.start, bytes.end.saturating_sub(1));
            (StatusCode::PARTIAL_CONTENT, Some(said), kept.body.slice(bytes))
        }
    };
    let sent = if asked.is_head { length } else { body.len() };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    *headers = kept.headers.clone();
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        remove_content(headers);
    }
    // What has no body says no length (RFC 9110, 8.6).
    if status != StatusCode::NO_CONTENT {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(sent));
    }
    if let Some(range) = range.and_then(|range| HeaderValue::from_str(&range).ok()) {
        headers.insert(header::CONTENT_RANGE, range);
    }
    response
}

/// That the client has this answer already (RFC 9110, 15.4.5).
pub fn not_modified(headers: &HeaderMap) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.headers_mut() = headers.clone();
    remove_content(response.headers_mut());
    response
}

/// Removes what is about the bytes that are not sent.
fn remove_content(headers: &mut HeaderMap) {
    const OF_THE_CONTENT: [HeaderName; 6] = [
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_RANGE,
        HeaderName::from_static("content-digest"),
    ];
    for name in OF_THE_CONTENT {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests;
