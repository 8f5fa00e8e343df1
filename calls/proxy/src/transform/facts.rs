//! What the variables of a route stand for in one request.

use std::borrow::Cow;
use std::sync::Arc;

use http::Uri;
use http::header::HeaderValue;
use mamparo_transform::{Variable, Variables};

use crate::route::Captures;

/// What is known of one request; kept until it is answered.
pub(crate) struct Facts {
    pub(crate) client: HeaderValue,
    pub(crate) host: Option<HeaderValue>,
    pub(crate) tls: bool,
    pub(crate) uri: Uri,
    pub(crate) id: HeaderValue,
    pub(crate) route: Arc<str>,
    pub(crate) captures: Captures,
}

impl Variables for Facts {
    fn value(&self, variable: Variable<'_>) -> Option<Cow<'_, str>> {
        let text = match variable {
            Variable::ClientIp => self.client.to_str().ok()?,
            Variable::Host => self.host.as_ref()?.to_str().ok()?,
            Variable::Path => self.uri.path(),
            Variable::RequestId => self.id.to_str().ok()?,
            Variable::Route => &self.route,
            Variable::Scheme => {
                if self.tls {
                    "https"
                } else {
                    "http"
                }
            }
            Variable::Capture(name) => {
                let (_, text) = self.captures.iter().find(|(own, _)| **own == *name)?;
                text
            }
        };
        Some(Cow::Borrowed(text))
    }
}
