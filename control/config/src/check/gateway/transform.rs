//! What a route changes on the way: what it names is there, and nothing is promised where no service is asked.

use std::collections::BTreeMap;

use mamparo_transform::{Transform, TransformConfig};

use super::ROUTES;
use super::path::variables;
use crate::check::Checker;
use crate::config::{RouteMatch, RoutePath, RouteTarget, Service, ServiceProtocol};
use crate::suggest::suggestion;
use crate::tree::Step;

const KEY: Step<'static> = Step::Key("transform");

impl Checker<'_> {
    pub(super) fn transform(
        &mut self,
        index: usize,
        raw: &TransformConfig,
        matches: &[RouteMatch],
        target: &RouteTarget,
        services: &BTreeMap<String, Service>,
    ) {
        let steps = [ROUTES[0], ROUTES[1], Step::Index(index), KEY];
        match Transform::new(raw) {
            Ok(transform) => self.captures(&steps, &transform, matches),
            Err(wrong) => self.at_field(&steps, &wrong.field, wrong.problem, None),
        }
        if let Some(hook) = &raw.external {
            let own =
                [ROUTES[0], ROUTES[1], Step::Index(index), KEY, Step::Key("external"), Step::Key("service")];
            // One without a name was told above.
            if !hook.service.is_empty() {
                self.refers(&own, "service", &hook.service, services);
            }
        }
        let kind = match target {
            RouteTarget::Services(to) => {
                if raw.grpc_web.is_some()
                    && let Some(name) = to.spoken_to_by(ServiceProtocol::Http1, services)
                {
                    let message =
                        format!("the service `{name}` is spoken to over HTTP/1.1, which carries no gRPC");
                    let help = format!("say `services: {{{name}: {{protocol: http2}}}}`");
                    self.at_key(&steps, "grpc_web", message, Some(help));
                }
                return;
            }
            RouteTarget::Redirect(_) => "a `redirect`",
            RouteTarget::Answer(_) => "an `answer`",
        };
        let keys = [
            ("compress", raw.compress.is_some()),
            ("grpc_web", raw.grpc_web.is_some()),
            ("template", raw.template.request.is_some() || raw.template.answer.is_some()),
            ("external", raw.external.is_some()),
        ];
        for (key, _) in keys.into_iter().filter(|(_, is_said)| *is_said) {
            let help = "leave it out: no service is asked".to_owned();
            self.at_key(&steps, key, format!("{kind} has no `{key}`"), Some(help));
        }
    }

    /// What it speaks of as captured from the path is a variable of every match.
    fn captures(&mut self, steps: &[Step<'_>], transform: &Transform, matches: &[RouteMatch]) {
        let template = |one: &RouteMatch| match &one.path {
            RoutePath::Template(template) => Some(template.clone()),
            RoutePath::Exact(_) | RoutePath::Prefix(_) | RoutePath::Regex(_) => None,
        };
        let templates: Vec<Option<String>> = matches.iter().map(template).collect();
        let mut names: Vec<&str> = transform.captures().collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let has = |template: &Option<String>| {
                template.as_deref().is_some_and(|template| variables(template).any(|own| own == name))
            };
            if templates.iter().all(has) {
                continue;
            }
            const OWN: [&str; 6] = ["client_ip", "host", "path", "request_id", "route", "scheme"];
            let captured = templates.iter().flatten().flat_map(|template| variables(template));
            let known: Vec<&str> = captured.chain(OWN).collect();
            let help = suggestion(name, "variables that are known", &known);
            self.at(steps, format!("not every match has the variable `{name}`"), Some(help));
        }
    }
}
