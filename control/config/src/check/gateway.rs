//! The routes: closed unless they say otherwise, each to a service that is there, none hidden by another.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use mamparo_policy::stack::{ClientConfig, InvalidStack};

use super::Checker;
use crate::config::{Gateway, GatewayLimits, Route, RouteMatch, Service};
use crate::file;
use crate::limits::ENTRIES_MAX;
use crate::tree::Step;

const ROUTES: [Step<'static>; 2] = [Step::Key("gateway"), Step::Key("routes")];

impl Checker<'_> {
    pub(super) fn gateway(&mut self, raw: file::Gateway, services: &BTreeMap<String, Service>) -> Gateway {
        if raw.routes.len() > ENTRIES_MAX {
            let message = format!("{} routes, at most {ENTRIES_MAX} are read", raw.routes.len());
            self.at(&ROUTES, message, None);
        }
        let mut routes: Vec<Route> = Vec::new();
        // Only routes of the same host and path can take the same requests.
        let mut by_path: HashMap<(Option<String>, String), Vec<usize>> = HashMap::new();
        for (index, route) in raw.routes.into_iter().enumerate() {
            let route = self.route(index, route, services);
            let near = by_path.entry((route.matches.host.clone(), route.matches.path.clone())).or_default();
            let first = near.iter().find(|near| overlap(&routes[**near].matches, &route.matches)).copied();
            near.push(index);
            if let Some(first) = first {
                let message = format!("gateway.routes[{first}] takes the same requests");
                self.route_at(index, &["match", "path"], message, None);
            }
            routes.push(route);
        }
        let limits = raw.limits;
        let seconds = |span: Option<crate::units::Span>, default| {
            span.map_or(Duration::from_secs(default), |span| span.0)
        };
        Gateway {
            routes,
            workers: raw.workers,
            drain_delay: seconds(raw.drain_delay, 0),
            drain: seconds(raw.drain, 5),
            upgrade_drain: seconds(raw.upgrade_drain, 600),
            limits: GatewayLimits {
                connections: limits.connections.unwrap_or(4096),
                header: limits.header.map_or(64 << 10, |size| size.0),
                body: limits.body.map_or(8 << 20, |size| size.0),
                header_time: seconds(limits.header_time, 10),
                body_idle: seconds(limits.body_idle, 30),
                idle: seconds(limits.idle, 75),
            },
        }
    }

    fn route(&mut self, index: usize, raw: file::Route, services: &BTreeMap<String, Service>) -> Route {
        self.admission(index, &raw);
        let steps = [ROUTES[0], ROUTES[1], Step::Index(index), Step::Key("service")];
        self.refers(&steps, "service", &raw.service, services);
        let timeout = raw.timeout.map_or(Duration::from_secs(30), |span| span.0);
        let answer_timeout = raw.answer_timeout.map_or(Duration::from_secs(15), |span| span.0).min(timeout);
        for (key, time) in [("timeout", timeout), ("answer_timeout", answer_timeout)] {
            if time.is_zero()
                && self.tree.at(&[ROUTES[0], ROUTES[1], Step::Index(index), Step::Key(key)]).is_some()
            {
                self.route_at(index, &[key], "no service answers within no time".into(), None);
            }
        }
        let methods = raw.matches.methods.into_iter().flatten().map(method).collect();
        let host = raw.matches.host.map(|host| host.to_ascii_lowercase());
        let named = |host: &str| {
            let name = host.strip_prefix("*.").unwrap_or(host);
            !name.is_empty() && !name.contains([':', '/', ' ', '*'])
        };
        if let Some(host) = host.as_deref().filter(|host| !named(host)) {
            let help = "a host alone, without scheme and port: shop.example or *.shop.example".to_owned();
            self.route_at(index, &["match", "host"], format!("`{host}` is not a host"), Some(help));
        }
        let path = self.path(index, &raw.matches.path);
        if let Some(policies) = &raw.policies
            && let Err(InvalidStack::Policy(wrong)) = ClientConfig::from(policies.clone()).check()
        {
            let policy = wrong.policy.as_str().replace('-', "_");
            let keys: Vec<&str> = ["policies", &policy].into_iter().chain(wrong.field.split('.')).collect();
            self.route_at(index, &keys, wrong.problem, None);
        }
        Route {
            matches: RouteMatch { host, path, exact: raw.matches.exact, methods },
            service: raw.service,
            timeout,
            answer_timeout,
            body: raw.body.map(|size| size.0),
            policies: raw.policies,
        }
    }

    /// Default deny: a route is open only when it says so.
    fn admission(&mut self, index: usize, raw: &file::Route) {
        let steps = [ROUTES[0], ROUTES[1], Step::Index(index)];
        match (raw.public, &raw.require) {
            (Some(true), None) => {}
            (Some(true), Some(_)) => {
                let message = "a route is either public or requires something, not both".to_owned();
                self.at_key(&steps, "require", message, Some("leave one of them out".into()));
            }
            (_, Some(_)) => {
                let message =
                    "nothing here can prove who calls yet, so this route would never open".to_owned();
                let help = "leave the route out, or say `public: true` if everybody may use it".to_owned();
                self.at_key(&steps, "require", message, Some(help));
            }
            (public, None) => {
                let message = "the route does not say who may use it".to_owned();
                let help = "say `public: true` if nothing is required of the caller".to_owned();
                let key = if public.is_some() { "public" } else { "match" };
                self.at_key(&steps, key, message, Some(help));
            }
        }
    }

    fn path(&mut self, index: usize, raw: &str) -> String {
        if !raw.starts_with('/') {
            let help = format!("did you mean `/{raw}`?");
            self.route_at(index, &["match", "path"], "a path begins with /".into(), Some(help));
        } else if let Some(bad) = raw.chars().find(|c| matches!(c, '?' | '#' | '*' | '{' | ' ' | '\\')) {
            let help = "a route takes its path and everything below it".to_owned();
            self.route_at(index, &["match", "path"], format!("a path has no `{bad}`"), Some(help));
        } else if raw.contains("//") || raw.split('/').any(|segment| matches!(segment, "." | "..")) {
            let message = "a path has no empty segments, and none that are . or ..".to_owned();
            self.route_at(index, &["match", "path"], message, None);
        }
        let trimmed = raw.trim_end_matches('/');
        if trimmed.is_empty() { "/".into() } else { trimmed.to_owned() }
    }

    fn route_at(&mut self, index: usize, keys: &[&str], message: String, suggestion: Option<String>) {
        let mut steps = vec![ROUTES[0], ROUTES[1], Step::Index(index)];
        steps.extend(keys.iter().copied().map(Step::Key));
        self.at(&steps, message, suggestion);
    }
}

fn overlap(a: &RouteMatch, b: &RouteMatch) -> bool {
    let every: BTreeSet<&str> = BTreeSet::new();
    let same_methods =
        a.methods == every || b.methods == every || a.methods.intersection(&b.methods).next().is_some();
    // A route for some methods beside one for the rest is a way to say "other methods go elsewhere".
    let one_is_narrower = a.methods.is_empty() != b.methods.is_empty();
    a.host == b.host && a.path == b.path && a.exact == b.exact && same_methods && !one_is_narrower
}

fn method(method: file::Method) -> &'static str {
    match method {
        file::Method::Get => "GET",
        file::Method::Head => "HEAD",
        file::Method::Post => "POST",
        file::Method::Put => "PUT",
        file::Method::Patch => "PATCH",
        file::Method::Delete => "DELETE",
        file::Method::Options => "OPTIONS",
    }
}
