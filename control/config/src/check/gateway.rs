//! The routes: closed unless they say otherwise, each to where something is, none hidden by another.

mod early_hints;
mod entrance;
mod matches;
mod overlap;
mod path;
mod pattern;
mod policies;
mod target;
mod transform;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use mamparo_http_cache::HttpCacheConfig;
use mamparo_policy::shed::GuardConfig;
use mamparo_telemetry::access::FIELDS;
use mamparo_tls::{InvalidConfig as InvalidTls, TlsConfig};

use super::Checker;
use crate::config::{AccessLog, Gateway, GatewayLimits, Route, RouteMatch, RoutePath, Service, ValueMatch};
use crate::file;
use crate::limits::{ROUTE_NAME_BYTES_MAX, ROUTES_MAX};
use crate::suggest::suggestion;
use crate::tree::Step;
use overlap::Overlaps;
use pattern::Patterns;

const ROUTES: [Step<'static>; 2] = [Step::Key("gateway"), Step::Key("routes")];

/// Where a match stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spot {
    route: usize,
    /// Its place in the list, where it is one.
    number: Option<usize>,
}

/// What the checks of all routes share.
#[derive(Default)]
struct Routes {
    patterns: Patterns,
    names: HashSet<String>,
    /// What holds for a route that says nothing.
    server_timing: bool,
    /// Whether the machine says when there is too much to do.
    has_guard: bool,
}

impl Checker<'_> {
    pub(super) fn gateway(&mut self, raw: file::Gateway, services: &BTreeMap<String, Service>) -> Gateway {
        if raw.routes.len() > ROUTES_MAX {
            let message = format!("{} routes, at most {ROUTES_MAX} are read", raw.routes.len());
            self.at(&ROUTES, message, None);
        }
        let mut shared = Routes {
            server_timing: raw.server_timing.unwrap_or(false),
            has_guard: raw.guard.is_some(),
            ..Routes::default()
        };
        let mut overlaps = Overlaps::default();
        let mut routes: Vec<Route> = Vec::new();
        for (index, route) in raw.routes.into_iter().take(ROUTES_MAX).enumerate() {
            let is_list = route.matches.is_list;
            let route = self.route(index, route, services, &mut shared);
            for (number, one) in route.matches.iter().enumerate() {
                let spot = Spot { route: index, number: is_list.then_some(number) };
                if let Some(first) = overlaps.add(spot, one) {
                    self.match_at(
                        spot,
                        key_of(one),
                        format!("{} takes the same requests", first.route()),
                        None,
                    );
                }
            }
            routes.push(route);
        }
        for (spot, first) in overlaps.never_reached() {
            let message = format!("{} takes all of its requests before it", first.route());
            let help =
                "a prefix goes before an expression: say `template`, or give the prefix an expression too";
            self.match_at(spot, "regex", message, Some(help.to_owned()));
        }
        let limits = raw.limits;
        let seconds = |span: Option<crate::units::Span>, default| {
            span.map_or(Duration::from_secs(default), |span| span.0)
        };
        if raw.upgrade_ready.is_some_and(|time| time.0.is_zero()) {
            let steps = [Step::Key("gateway"), Step::Key("upgrade_ready")];
            self.at(&steps, "no program is ready within no time".into(), None);
        }
        if let Some(Err(InvalidTls { field, problem })) = raw.tls.as_ref().map(TlsConfig::check) {
            self.at_field(&[Step::Key("gateway"), Step::Key("tls")], &field, problem, None);
        }
        if let Some(Err(wrong)) = raw.guard.as_ref().map(GuardConfig::check) {
            let field = wrong.field.trim_start_matches("guard.");
            self.at_field(&[Step::Key("gateway"), Step::Key("guard")], field, wrong.problem, None);
        }
        if let Err(wrong) = raw.forwarded.check() {
            let steps = [Step::Key("gateway"), Step::Key("forwarded")];
            self.at_field(&steps, &wrong.field, wrong.problem, None);
        }
        for (number, field) in raw.access_log.fields.iter().flatten().enumerate() {
            if !FIELDS.contains(&field.as_str()) {
                let steps = [Step::Key("gateway"), Step::Key("access_log")];
                let help = suggestion(field, "fields that a line has", &FIELDS);
                let message = format!("there is no field `{field}`");
                self.at_field(&steps, &format!("fields[{number}]"), message, Some(help));
            }
        }
        Gateway {
            forwarded: raw.forwarded,
            routes,
            workers: raw.workers,
            drain_delay: seconds(raw.drain_delay, 0),
            drain: seconds(raw.drain, 5),
            upgrade_drain: seconds(raw.upgrade_drain, 600),
            upgrade_ready: seconds(raw.upgrade_ready, 30),
            limits: GatewayLimits {
                connections: limits.connections.unwrap_or(4096),
                header: limits.header.map_or(64 << 10, |size| size.0),
                body: limits.body.map_or(8 << 20, |size| size.0),
                header_time: seconds(limits.header_time, 10),
                body_idle: seconds(limits.body_idle, 30),
                idle: seconds(limits.idle, 75),
                connections_per_source: limits.connections_per_source,
                tunnel_idle: seconds(limits.tunnel_idle, 3600),
            },
            proxy_protocol: self.peers(raw.proxy_protocol),
            passthrough: self.passthrough(raw.passthrough, services),
            tls: raw.tls,
            guard: raw.guard,
            access_log: AccessLog { sample: raw.access_log.sample, fields: raw.access_log.fields },
        }
    }

    fn route(
        &mut self,
        index: usize,
        mut raw: file::Route,
        services: &BTreeMap<String, Service>,
        shared: &mut Routes,
    ) -> Route {
        self.admission(index, &raw);
        let is_list = raw.matches.is_list;
        let answers_preflights = raw.transform.as_ref().is_some_and(|own| own.cors.is_some());
        let matches = std::mem::take(&mut raw.matches.all).into_iter().enumerate();
        let matches: Vec<RouteMatch> = matches
            .map(|(number, one)| {
                let spot = Spot { route: index, number: is_list.then_some(number) };
                self.matches(spot, one, &mut shared.patterns, answers_preflights)
            })
            .collect();
        let target = self.target(index, &mut raw, &matches, services);
        let timeout = raw.timeout.map_or(Duration::from_secs(30), |span| span.0);
        let answer_timeout = raw.answer_timeout.map_or(Duration::from_secs(15), |span| span.0).min(timeout);
        for (key, time) in [("timeout", raw.timeout), ("answer_timeout", raw.answer_timeout)] {
            if time.is_some_and(|time| time.0.is_zero()) {
                self.route_at(index, &[key], "no service answers within no time".into(), None);
            }
        }
        let said = self.policies(index, &mut raw, shared.has_guard);
        if let Some(Err(wrong)) = raw.cache.as_deref().map(HttpCacheConfig::check) {
            let steps = [ROUTES[0], ROUTES[1], Step::Index(index), Step::Key("cache")];
            self.at_field(&steps, wrong.field, wrong.problem, None);
        }
        if let Some(own) = &raw.transform {
            self.transform(index, own, &matches, &target, services);
        }
        let early_hints = raw.early_hints.unwrap_or(false);
        if early_hints {
            self.early_hints(index, &target, raw.transform.as_deref(), services);
        }
        let name = self.route_name(index, raw.name, &matches, &mut shared.names);
        let body = raw.body.map(|size| size.0);
        Route {
            name,
            matches,
            target,
            timeout,
            answer_timeout,
            body,
            policies: raw.policies,
            rate_limits: said.rate_limits,
            criticality: said.criticality,
            hedge: raw.hedge,
            cache: raw.cache,
            retry: raw.retry,
            replay: said.replay,
            transform: raw.transform,
            server_timing: raw.server_timing.unwrap_or(shared.server_timing),
            early_hints,
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

    /// The name that was given, or what the route matches; with a number behind it where that is another one's name.
    fn route_name(
        &mut self,
        index: usize,
        given: Option<String>,
        matches: &[RouteMatch],
        names: &mut HashSet<String>,
    ) -> String {
        if let Some(name) = given {
            let holds = (1..=ROUTE_NAME_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control);
            if !holds {
                let help = format!("at most {ROUTE_NAME_BYTES_MAX} bytes in one line");
                self.route_at(index, &["name"], "this is not a name".into(), Some(help));
            } else if name == "none" || name.starts_with("mesh/") {
                let message = format!("`{name}` is a name of Mamparo's own");
                self.route_at(index, &["name"], message, Some("choose another name".into()));
            } else if !names.insert(name.clone()) {
                self.route_at(index, &["name"], format!("another route is called `{name}` already"), None);
            }
            return name;
        }
        let described = matches.first().map(describe).unwrap_or_default();
        if names.insert(described.clone()) {
            return described;
        }
        // Those that are described alike differ by what is not told here, or are an error.
        let mut numbered = (index..).map(|number| format!("{described} #{number}"));
        numbered.find(|name| names.insert(name.clone())).unwrap_or_default()
    }

    fn route_at(&mut self, index: usize, keys: &[&str], message: String, suggestion: Option<String>) {
        let mut steps = vec![ROUTES[0], ROUTES[1], Step::Index(index)];
        steps.extend(keys.iter().copied().map(Step::Key));
        self.at(&steps, message, suggestion);
    }

    /// A problem of a match: at one of its values, or where the match begins if it has no such value.
    fn match_at(&mut self, spot: Spot, key: &str, message: String, suggestion: Option<String>) {
        let mut steps = vec![ROUTES[0], ROUTES[1], Step::Index(spot.route), Step::Key("match")];
        steps.extend(spot.number.map(Step::Index));
        steps.push(Step::Key(key));
        if self.tree.at(&steps).is_none() {
            steps.pop();
        }
        self.at(&steps, message, suggestion);
    }
}

impl Spot {
    /// The route, as a person finds it.
    fn route(self) -> String {
        format!("gateway.routes[{}]", self.route)
    }
}

/// The key under which the path of a match stands.
const fn key_of(one: &RouteMatch) -> &'static str {
    match one.path {
        RoutePath::Exact(_) | RoutePath::Prefix(_) => "path",
        RoutePath::Template(_) => "template",
        RoutePath::Regex(_) => "regex",
    }
}

/// What a match takes, in a few words.
fn describe(one: &RouteMatch) -> String {
    let methods: Vec<&str> = one.methods.iter().copied().collect();
    let mut text = if methods.is_empty() { String::new() } else { format!("{} ", methods.join(",")) };
    text.push_str(&one.hosts.iter().map(String::as_str).collect::<Vec<_>>().join(","));
    match &one.path {
        RoutePath::Exact(path) => text.extend([path, " exactly"]),
        RoutePath::Template(path) | RoutePath::Prefix(path) => text.push_str(path),
        RoutePath::Regex(pattern) => text.extend(["~", pattern]),
    }
    for (name, value) in one.headers.iter().chain(&one.query) {
        text.extend([" ", name]);
        match value {
            ValueMatch::Present => {}
            ValueMatch::Exact(value) => text.extend(["=", value]),
            ValueMatch::Regex(pattern) => text.extend(["~", pattern]),
        }
    }
    let end = text.char_indices().map(|(at, _)| at).find(|at| *at >= ROUTE_NAME_BYTES_MAX - 8);
    text.truncate(end.unwrap_or(text.len()));
    text.replace(char::is_control, "?")
}
