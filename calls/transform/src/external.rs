//! What a hook of the operator's own, reached over HTTP, is asked about a request, and what its answer changes. This
//! is the pure half: the proxy makes the call.
//!
//! # The question
//!
//! `POST` with `content-type: application/json`. Unknown fields may be added later and are to be ignored.
//!
//! ```json
//! {
//!   "version": 1,
//!   "request_id": "7f0c…",
//!   "route": "orders",
//!   "client_ip": "192.0.2.7",
//!   "scheme": "https",
//!   "host": "shop.example",
//!   "method": "POST",
//!   "path": "/orders?dry=1",
//!   "headers": {"x-user": ["ana"], "accept": ["application/json", "text/plain"]},
//!   "body": {"encoding": "text", "data": "{\"sku\":\"a\"}"}
//! }
//! ```
//!
//! - What is not known is `null`.
//! - `path` is the target as the service is asked for it, in its normal form: what is decided about is what is done.
//! - `headers` holds those that the route names, as far as the request has them, with all their values in order. Bytes
//!   that are not UTF-8 come as U+FFFD.
//! - `body` is there where the route sends bodies: `text` as it is where it is UTF-8, else `base64`. It is whole: a body
//!   that is longer than may be held is refused (413), and the hook is not asked.
//!
//! # The answer
//!
//! Status 200 with `content-type: application/json`, at most 64 KiB. Anything else, an unknown field included, is a
//! failure, which the route takes for a denial or for consent (`on_failure`).
//!
//! ```json
//! {
//!   "decision": "allow",
//!   "request": {"remove": ["x-debug"], "set": {"x-tenant": "a"}, "add": {"x-tag": "b"}},
//!   "answer": {"set": {"x-checked": "yes"}}
//! }
//! ```
//!
//! ```json
//! {"decision": "deny", "status": 403, "headers": {"content-type": "text/plain"}, "body": "not today"}
//! ```
//!
//! - `allow`: `request` changes the headers of the request, `answer` those of the answer of the service: first `remove`,
//!   then `set`, then `add`. Both may be left out. Rules of the route come after them, and win.
//! - `deny`: `status` from 300 to 599, by default 403; `headers` and `body` may be left out.
//! - Headers of the connection and of the framing, `host`, and those that begin with `mamparo-` cannot be changed.

mod answer;
mod config;
mod question;

use http::HeaderName;

pub use answer::{Allowed, Denied, HookError, Mutations, Verdict};
pub use config::{ExternalConfig, OnFailure};

use crate::config::InvalidConfig;

/// A hook, read once.
#[derive(Clone, Debug)]
pub struct External {
    headers: Vec<HeaderName>,
    body_bytes: Option<usize>,
    config: ExternalConfig,
}

impl External {
    /// Reads what is said about a hook.
    ///
    /// # Errors
    /// The first value that is wrong, by its path.
    pub fn new(config: &ExternalConfig) -> Result<Self, InvalidConfig> {
        let headers = config.read_headers()?;
        Ok(Self { headers, body_bytes: config.body_bytes, config: config.clone() })
    }

    /// Where the hook is, how long it may take, and what its failure means.
    pub fn config(&self) -> &ExternalConfig {
        &self.config
    }

    /// Bytes of a body that may be held to be shown to it; nothing where it sees no bodies.
    pub fn body_bytes(&self) -> Option<usize> {
        self.body_bytes
    }
}

#[cfg(test)]
mod tests;
