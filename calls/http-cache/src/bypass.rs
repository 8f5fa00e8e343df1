//! A request that the cache has nothing to do with, except that it may change what is kept (RFC 9111, 4.4).

use std::sync::Arc;

use http::StatusCode;
use http::header::{self, HeaderMap};

use crate::cache::Inner;
use crate::core::address::same_origin;
use crate::core::request::{Reason, RequestHead, is_unsafe};
use crate::core::status::{Done, Forward};
use crate::counts::add;

/// A request that is forwarded as it is. When its answer comes, [`answer_head`](Self::answer_head) is told.
#[derive(Debug)]
#[must_use = "an answer may change what is kept"]
pub struct Bypass {
    cache: Arc<Inner>,
    reason: Reason,
    forward: Forward,
    /// What is no longer known if the answer is a success.
    changes: Option<String>,
}

impl Bypass {
    pub(crate) fn new(cache: &Arc<Inner>, head: &RequestHead<'_>, reason: Reason, forward: Forward) -> Self {
        if let Some(counter) = cache.counters.bypassed.get(reason as usize) {
            add(counter);
        }
        let changes = is_unsafe(head.method).then(|| cache.address(head)).flatten();
        Self { cache: Arc::clone(cache), reason, forward, changes }
    }

    /// Why it is passed by.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Its answer has come: what it may have changed is forgotten, and the answer says that it was passed by.
    pub fn answer_head(self, status: StatusCode, headers: &mut HeaderMap) {
        if (status.is_success() || status.is_redirection())
            && let Some(address) = &self.changes
        {
            self.cache.forget(address);
            for name in [header::LOCATION, header::CONTENT_LOCATION] {
                let reference = headers.get(name).and_then(|value| value.to_str().ok());
                let other = reference.and_then(|to| same_origin(address, to, &self.cache.rules.query));
                if let Some(other) = other.filter(|other| other != address) {
                    self.cache.forget(&other);
                }
            }
        }
        for name in &self.cache.rules.tag_headers {
            headers.remove(name);
        }
        let detail = (self.forward == Forward::Bypass).then_some(self.reason.as_str());
        self.cache.say(Done { detail, ..Done::forwarded(self.forward) }, headers, None);
    }
}
