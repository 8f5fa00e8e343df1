//! Which answers are compressed, and how: chosen by `accept-encoding` (RFC 9110, 12.5.3), decided on the head of the
//! answer, streamed piece by piece.
//!
//! What is secret and what a stranger may put into the same answer should not be compressed together (the attack is
//! called BREACH): leave `compress` off on routes that answer so.

mod accept;
mod body;
mod coder;
mod config;

use std::io;

use http::header::{self, HeaderMap, HeaderValue};
use http::{StatusCode, response};
use http_body::SizeHint;

pub use accept::{Coding, choose};
pub use body::Compressed;
pub use config::CompressConfig;

use crate::config::InvalidConfig;
use crate::fields::{essence, forget_bytes, has_cache_directive, vary_on};
use coder::Levels;
use config::ContentTypes;

/// The rules of a route, read once.
#[derive(Clone, Debug)]
pub struct Compress {
    preference: Vec<Coding>,
    min_bytes: u64,
    content_types: ContentTypes,
    levels: Levels,
}

impl Compress {
    /// Reads the rules.
    ///
    /// # Errors
    /// The first value that is wrong, by its path.
    pub fn new(config: &CompressConfig) -> Result<Self, InvalidConfig> {
        config::read(config)
    }

    /// The coding that a request would like best of those that a route has; nothing where it likes none, or asks for
    /// the answer as it is (`no-transform`, RFC 9111, 5.2.1.6).
    pub fn accepted(&self, request: &HeaderMap) -> Option<Coding> {
        if has_cache_directive(request, "no-transform") {
            return None;
        }
        choose(request, &self.preference)
    }

    /// Whether, and how, an answer is compressed; if it is, its head says so from then on. `accepted` is what
    /// [`accepted`](Self::accepted) said of the request, and `size` what is known of the body.
    pub fn answer(
        &self,
        accepted: Option<Coding>,
        to_head: bool,
        parts: &mut response::Parts,
        size: &SizeHint,
    ) -> Option<Coding> {
        if parts.status == StatusCode::NOT_MODIFIED {
            // It stands for an answer that may have been compressed, and must name it as that did (RFC 9110, 15.4.5).
            vary_on(&mut parts.headers, "accept-encoding");
            if accepted.is_some() {
                weaken_etag(&mut parts.headers);
            }
            return None;
        }
        if !self.may_compress(parts, size) {
            return None;
        }
        vary_on(&mut parts.headers, "accept-encoding");
        let coding = accepted.filter(|_| !to_head)?;
        let headers = &mut parts.headers;
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
        forget_bytes(headers);
        weaken_etag(headers);
        Some(coding)
    }

    /// The body of an answer, compressed on its way.
    ///
    /// # Errors
    /// Memory for the coder could not be had.
    pub fn body<B: http_body::Body>(&self, coding: Coding, body: B) -> io::Result<Compressed<B>> {
        Compressed::new(self.levels.coder(coding)?, body)
    }

    /// Whether the answer would be compressed for somebody.
    fn may_compress(&self, parts: &response::Parts, size: &SizeHint) -> bool {
        let headers = &parts.headers;
        let has_whole_body = !parts.status.is_informational()
            && !matches!(
                parts.status,
                StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT
            )
            && !headers.contains_key(header::CONTENT_RANGE);
        let is_plain = headers.get_all(header::CONTENT_ENCODING).iter().all(|coding| coding == "identity");
        has_whole_body
            && is_plain
            && self.is_large_enough(headers, size)
            && essence(headers).is_some_and(|essence| self.content_types.hold(essence))
            && !has_cache_directive(headers, "no-transform")
    }

    fn is_large_enough(&self, headers: &HeaderMap, size: &SizeHint) -> bool {
        // The answer to HEAD has a length, and no body.
        let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        said.or(size.exact()).is_none_or(|length: u64| length >= self.min_bytes.max(1))
    }
}

/// The same bytes no longer come under this tag (RFC 9110, 8.8.1); what they mean does.
fn weaken_etag(headers: &mut HeaderMap) {
    let Some(etag) = headers.get_mut(header::ETAG) else { return };
    if etag.as_bytes().starts_with(b"\"") {
        let mut weak = b"W/".to_vec();
        weak.extend_from_slice(etag.as_bytes());
        if let Ok(weak) = HeaderValue::from_bytes(&weak) {
            *etag = weak;
        }
    }
}

#[cfg(test)]
mod tests;
