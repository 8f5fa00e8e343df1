//! Where interim answers of a service can go on to the client as the route promises: refused is what would drop them, or
//! what they would pass by.

use std::collections::BTreeMap;

use mamparo_transform::TransformConfig;

use super::ROUTES;
use crate::check::Checker;
use crate::config::{RouteTarget, Service, ServiceProtocol};
use crate::tree::Step;

impl Checker<'_> {
    /// A route that passes interim answers on.
    pub(super) fn early_hints(
        &mut self,
        index: usize,
        target: &RouteTarget,
        transform: Option<&TransformConfig>,
        services: &BTreeMap<String, Service>,
    ) {
        let steps = [ROUTES[0], ROUTES[1], Step::Index(index)];
        if let RouteTarget::Services(to) = target
            && let Some(name) = to.spoken_to_by(ServiceProtocol::Http2, services)
        {
            let message = format!("what the service `{name}` hints at over HTTP/2 does not arrive here");
            self.at_key(&steps, "early_hints", message, Some("leave it out, or say `http1`".into()));
        }
        let answer = transform.map(|transform| &transform.headers.answer);
        if answer.is_some_and(|rules| *rules != Default::default()) {
            let message = "hints would go past the rules for headers of answers".to_owned();
            let help = "leave out one of `early_hints` and `transform.headers.answer`".to_owned();
            self.at_key(&steps, "early_hints", message, Some(help));
        }
    }
}
