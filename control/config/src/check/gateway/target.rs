//! Where a route leads: to one thing, and with nothing that does not belong to it.

use std::collections::BTreeMap;

use super::ROUTES;
use super::matches::is_header;
use super::path::{self, Wrong, variables};
use crate::check::Checker;
use crate::config::{
    PathRewrite, RouteAnswer, RouteMatch, RoutePath, RouteRedirect, RouteServices, RouteTarget, Service,
};
use crate::file;
use crate::tree::Step;

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

/// What is said of the path where it is rewritten, and where.
struct NewPath<'r> {
    index: usize,
    part: &'static str,
    whole: Option<&'r str>,
    prefix: Option<&'r str>,
    strip: bool,
}

impl Checker<'_> {
    pub(super) fn target(
        &mut self,
        index: usize,
        raw: &mut file::Route,
        matches: &[RouteMatch],
        services: &BTreeMap<String, Service>,
    ) -> RouteTarget {
        self.one_target(index, raw);
        if let Some(redirect) = raw.redirect.take() {
            self.has_only_what_belongs(index, "redirect", raw);
            return RouteTarget::Redirect(self.redirect(index, redirect, matches));
        }
        if let Some(answer) = raw.answer.take() {
            self.has_only_what_belongs(index, "answer", raw);
            return RouteTarget::Answer(self.answer(index, answer));
        }
        let choice = self.choice(index, raw, services);
        let refer = |this: &mut Self, keys: &[&str], name: &str| {
            let mut steps = vec![ROUTES[0], ROUTES[1], Step::Index(index)];
            steps.extend(keys.iter().copied().map(Step::Key));
            this.refers(&steps, "service", name, services);
        };
        if let Some(name) = &raw.failover {
            refer(self, &["failover"], name);
            if choice.iter().all(|(service, _)| service == name) {
                let message = format!("`{name}` cannot stand in for itself");
                self.route_at(index, &["failover"], message, None);
            }
        }
        let mirror = raw.mirror.take().map(|mirror| {
            refer(self, &["mirror", "service"], &mirror.service);
            (mirror.service, mirror.percent.unwrap_or(100.0))
        });
        let rewrite = raw.rewrite.take();
        let path = rewrite.as_ref().and_then(|rewrite| {
            let (whole, prefix) = (rewrite.path.as_deref(), rewrite.replace_prefix.as_deref());
            let new = NewPath { index, part: "rewrite", whole, prefix, strip: rewrite.strip_prefix };
            self.new_path(&new, matches)
        });
        let host = rewrite.and_then(|rewrite| rewrite.host);
        if let Some(host) = &host {
            self.new_host(index, "rewrite", host);
        }
        RouteTarget::Services(RouteServices { choice, failover: raw.failover.take(), mirror, host, path })
    }

    /// A route leads to one thing.
    fn one_target(&mut self, index: usize, raw: &file::Route) {
        let targets = [
            ("service", raw.service.is_some()),
            ("services", raw.services.is_some()),
            ("redirect", raw.redirect.is_some()),
            ("answer", raw.answer.is_some()),
        ];
        let mut said = targets.into_iter().filter(|(_, is_said)| *is_said).map(|(key, _)| key);
        let steps = [ROUTES[0], ROUTES[1], Step::Index(index)];
        match (said.next(), said.next()) {
            (Some(_), None) => {}
            (Some(first), Some(second)) => {
                let message = format!("a route has either `{first}` or `{second}`, not both");
                self.at_key(&steps, second, message, Some("leave one of them out".into()));
            }
            (None, _) => {
                let help = "say `service`, `services`, `redirect` or `answer`".to_owned();
                self.at_key(&steps, "match", "the route leads nowhere".into(), Some(help));
            }
        }
    }

    /// What is said of services belongs to no other target.
    fn has_only_what_belongs(&mut self, index: usize, target: &str, raw: &mut file::Route) {
        let keys = [
            ("failover", raw.failover.is_some()),
            ("mirror", raw.mirror.is_some()),
            ("rewrite", raw.rewrite.is_some()),
            ("timeout", raw.timeout.is_some()),
            ("answer_timeout", raw.answer_timeout.is_some()),
            ("body", raw.body.is_some()),
            ("policies", raw.policies.is_some()),
            ("criticality", raw.criticality.is_some()),
            ("hedge", raw.hedge.is_some()),
            ("cache", raw.cache.is_some()),
            ("retry", raw.retry.is_some()),
            ("replay", raw.replay.is_some()),
            ("early_hints", raw.early_hints.is_some()),
        ];
        let steps = [ROUTES[0], ROUTES[1], Step::Index(index)];
        let article = if target == "answer" { "an" } else { "a" };
        for (key, _) in keys.into_iter().filter(|(_, is_said)| *is_said) {
            let message = format!("{article} `{target}` has no `{key}`");
            self.at_key(&steps, key, message, Some("leave it out: no service is asked".into()));
        }
        // Nothing more is to be said of these.
        (raw.retry, raw.replay) = (None, None);
    }

    fn choice(
        &mut self,
        index: usize,
        raw: &mut file::Route,
        services: &BTreeMap<String, Service>,
    ) -> Vec<(String, u32)> {
        if let Some(service) = raw.service.take() {
            let steps = [ROUTES[0], ROUTES[1], Step::Index(index), Step::Key("service")];
            self.refers(&steps, "service", &service, services);
            return vec![(service, 1)];
        }
        let Some(weighted) = raw.services.take() else { return Vec::new() };
        let mut choice: Vec<(String, u32)> = Vec::new();
        for (number, one) in weighted.into_iter().enumerate() {
            let steps = [
                ROUTES[0],
                ROUTES[1],
                Step::Index(index),
                Step::Key("services"),
                Step::Index(number),
                Step::Key("service"),
            ];
            self.refers(&steps, "service", &one.service, services);
            if choice.iter().any(|(name, _)| *name == one.service) {
                let help = "one entry with the sum of the weights".to_owned();
                self.at(&steps, format!("`{}` stands here twice", one.service), Some(help));
            }
            choice.push((one.service, one.weight.unwrap_or(1)));
        }
        if choice.iter().all(|(_, weight)| *weight == 0) {
            let help = "give one of them a weight over 0".to_owned();
            self.route_at(index, &["services"], "no service gets a request".into(), Some(help));
        }
        choice
    }

    fn redirect(&mut self, index: usize, raw: file::Redirect, matches: &[RouteMatch]) -> RouteRedirect {
        let (whole, prefix) = (raw.path.as_deref(), raw.replace_prefix.as_deref());
        let new = NewPath { index, part: "redirect", whole, prefix, strip: false };
        let path = self.new_path(&new, matches);
        if let Some(host) = &raw.host {
            self.new_host(index, "redirect", host);
        }
        let status = raw.status.unwrap_or(302);
        if !STATUSES.contains(&status) {
            let help = "301, 302, 303, 307 or 308".to_owned();
            self.route_at(index, &["redirect", "status"], format!("{status} is not a redirect"), Some(help));
        }
        if raw.scheme.is_none() && raw.host.is_none() && raw.port.is_none() && path.is_none() {
            let help = "say `scheme`, `host`, `port`, `path` or `replace_prefix`".to_owned();
            self.route_at(
                index,
                &["redirect"],
                "this leads to where the client is already".into(),
                Some(help),
            );
        }
        let scheme = raw.scheme.map(|scheme| match scheme {
            file::Scheme::Http => "http",
            file::Scheme::Https => "https",
        });
        RouteRedirect { scheme, host: raw.host, port: raw.port, path, status }
    }

    fn answer(&mut self, index: usize, raw: file::Answer) -> RouteAnswer {
        let steps = [ROUTES[0], ROUTES[1], Step::Index(index), Step::Key("answer"), Step::Key("headers")];
        for (name, value) in &raw.headers {
            let framing = ["content-length", "transfer-encoding", "connection"];
            if !is_header(name) {
                self.at_key(&steps, name, format!("`{name}` is not a name of a header"), None);
            } else if framing.iter().any(|own| own.eq_ignore_ascii_case(name)) {
                self.at_key(
                    &steps,
                    name,
                    format!("`{name}` is added as it must be"),
                    Some("leave it out".into()),
                );
            } else if value.trim() != value || value.contains(char::is_control) {
                self.at_key(&steps, name, "a header cannot have such a value".into(), None);
            }
        }
        RouteAnswer { status: raw.status.unwrap_or(200), headers: raw.headers, body: raw.body }
    }

    fn new_host(&mut self, index: usize, part: &str, host: &str) {
        let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let label = |label: &str| !label.is_empty() && label.bytes().all(letter);
        let is_port = port.is_none_or(|port| part == "rewrite" && port.parse::<u16>().is_ok());
        if !(is_port && name.len() <= 253 && name.split('.').all(label)) {
            let help =
                if part == "rewrite" { "such as orders.internal:8080" } else { "such as shop.example" };
            let message = format!("`{host}` is not a host");
            self.route_at(index, &[part, "host"], message, Some(help.to_owned()));
        }
    }

    /// The path that takes the place of the one that was matched: one that fits every match.
    fn new_path(&mut self, new: &NewPath<'_>, matches: &[RouteMatch]) -> Option<PathRewrite> {
        let said = [
            ("path", new.whole.is_some()),
            ("replace_prefix", new.prefix.is_some()),
            ("strip_prefix", new.strip),
        ];
        let said: Vec<&str> = said.into_iter().filter(|(_, is_said)| *is_said).map(|(key, _)| key).collect();
        if let [first, second, ..] = *said {
            let message = format!("either `{first}` or `{second}`, not both");
            self.route_at(new.index, &[new.part, second], message, Some("leave one of them out".into()));
        }
        let key = *said.first()?;
        let at = [new.part, key];
        let is_prefix = |one: &RouteMatch| matches!(one.path, RoutePath::Prefix(_));
        if key != "path" && !matches.iter().all(is_prefix) {
            let help = "say `path` for the whole path".to_owned();
            self.route_at(new.index, &at, "`match` has no prefix to replace".into(), Some(help));
        }
        if let Some(whole) = new.whole {
            if let Err(Wrong(message, help)) = path::check(&filled_in(whole)) {
                self.route_at(new.index, &at, message, help);
            }
            for name in variables(whole) {
                let has = |one: &RouteMatch| match &one.path {
                    RoutePath::Template(template) => variables(template).any(|own| own == name),
                    _ => false,
                };
                if !matches.iter().all(has) {
                    let known = matches.iter().filter_map(|one| match &one.path {
                        RoutePath::Template(template) => Some(variables(template)),
                        _ => None,
                    });
                    let known: Vec<&str> = known.flatten().collect();
                    let help = crate::suggest::suggestion(name, "variables of `match.template`", &known);
                    let message = format!("not every match has the variable `{name}`");
                    self.route_at(new.index, &at, message, Some(help));
                }
            }
            return Some(PathRewrite::Full(whole.to_owned()));
        }
        let prefix = new.prefix.unwrap_or("/");
        if let Err(Wrong(message, help)) = path::check(prefix) {
            self.route_at(new.index, &at, message, help);
        }
        Some(PathRewrite::Prefix(prefix.to_owned()))
    }
}

/// A path with a letter in the place of each variable.
fn filled_in(path: &str) -> String {
    let mut text = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((_, after)) = after.split_once('}') else { break };
        text.extend([before, "x"]);
        rest = after;
    }
    text.push_str(rest);
    text
}
