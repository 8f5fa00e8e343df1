//! Whether a route holds by itself and fits the services that are there, and what it becomes.

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use mamparo_transform::Transform;

use super::host::is_name;
use super::matches::{Match, Path, Wanted};
use super::preflight;
use super::rewrite::Form;
use super::routing::{RoutingError, Service};
use super::split::{Share, Split};
use super::table::Takes;
use super::target::{Answer, PathRewrite, Redirect, Services, Target};
use super::template::{Template, variables};
use super::{Access, Route, Settings, path, pattern};
use crate::transport::Speaks;

/// A route that was checked.
#[derive(Debug)]
pub(crate) struct CheckedRoute {
    pub(crate) name: Arc<str>,
    pub(crate) access: Access,
    pub(crate) settings: Settings,
    pub(super) leads: Leads,
    /// The variables of the path that its transformation speaks of.
    pub(super) captures: Box<[Arc<str>]>,
    /// Of each match how it takes paths; empty where nobody asks.
    pub(super) forms: Box<[Form]>,
}

/// Where a route leads.
#[derive(Debug)]
pub(super) enum Leads {
    Services(Forward),
    Redirect(Box<Redirect>),
    Answer(Box<Answer>),
}

/// Services by their numbers.
#[derive(Debug)]
pub(super) struct Forward {
    pub(super) split: Split,
    pub(super) failover: Option<usize>,
    pub(super) mirror: Option<(usize, Share)>,
    pub(super) host: Option<HeaderValue>,
    pub(super) path: Option<PathRewrite>,
}

/// What the checks of one route share.
struct Checker<'c> {
    route: &'c str,
    services: &'c HashMap<Arc<str>, usize>,
    known: &'c [Arc<Service>],
}

/// What it takes stays behind: that is put into the table.
pub(super) fn check(
    route: Route,
    services: &HashMap<Arc<str>, usize>,
    known: &[Arc<Service>],
) -> Result<(CheckedRoute, Takes), RoutingError> {
    let checker = Checker { route: &route.name, services, known };
    route.matches.iter().try_for_each(|one| checker.one(one))?;
    let mut matches = route.matches;
    if matches.is_empty() {
        matches.push(Match::default());
    }
    let own = matches.len();
    let captures = match &route.settings.transform {
        Some(transform) => {
            if transform.answers_preflights() {
                let preflights: Vec<Match> = matches.iter().flat_map(preflight::matches).collect();
                matches.extend(preflights);
            }
            checker.transform(transform, &route.target)?
        }
        None => Box::default(),
    };
    let rewrite = match &route.target {
        Target::Services(services) => services.rewrite.path.as_ref(),
        Target::Redirect(redirect) => redirect.path.as_ref(),
        Target::Answer(_) => None,
    };
    let forms = checker.forms(rewrite, &captures, &matches)?;
    let leads = match route.target {
        Target::Services(services) => Leads::Services(checker.forward(services)?),
        Target::Redirect(redirect) => Leads::Redirect(Box::new(checker.redirect(redirect)?)),
        Target::Answer(answer) => Leads::Answer(Box::new(answer)),
    };
    let (name, access, settings) = (route.name.as_str().into(), route.access, route.settings);
    Ok((CheckedRoute { name, access, settings, leads, captures, forms }, Takes { matches, own }))
}

impl Checker<'_> {
    fn error(&self, what: impl Into<String>) -> RoutingError {
        RoutingError::Route { route: self.route.to_owned(), what: what.into() }
    }

    fn one(&self, one: &Match) -> Result<(), RoutingError> {
        match &one.path {
            Path::Regex(pattern) => self.pattern(pattern)?,
            Path::Exact(text) | Path::Prefix(text) => self.path(text)?,
            Path::Template(text) => {
                self.path(text)?;
                Template::parse(text).map_err(|why| self.error(format!("{text:?} is no template: {why}")))?;
            }
        }
        let headers = one.headers.iter().map(|header| &header.value);
        headers.chain(one.query.iter().map(|one| &one.value)).try_for_each(|wanted| match wanted {
            Wanted::Regex(pattern) => self.pattern(pattern),
            Wanted::Present | Wanted::Exact(_) => Ok(()),
        })
    }

    fn path(&self, text: &str) -> Result<(), RoutingError> {
        if text.starts_with('/') && path::normalize(text).as_deref() == Ok(text) {
            return Ok(());
        }
        Err(RoutingError::Path { path: text.to_owned(), route: self.route.to_owned() })
    }

    fn pattern(&self, pattern: &str) -> Result<(), RoutingError> {
        pattern::check(pattern)
            .map_err(|why| self.error(format!("{pattern:?} is no regular expression to try: {}", why.0)))
    }

    fn service(&self, name: &str) -> Result<usize, RoutingError> {
        let unknown =
            || RoutingError::UnknownService { service: name.to_owned(), route: self.route.to_owned() };
        self.services.get(name).copied().ok_or_else(unknown)
    }

    fn forward(&self, services: Services) -> Result<Forward, RoutingError> {
        let weighted = services.choice.iter().map(|one| Ok((one.weight, self.service(&one.name)?)));
        let weighted = weighted.collect::<Result<Vec<_>, _>>()?;
        let split = Split::new(weighted).ok_or_else(|| self.error("no service has a weight"))?;
        let failover = services.failover.as_deref().map(|name| self.service(name)).transpose()?;
        let mirror = services.mirror.map(|mirror| {
            let share = Share::percent(mirror.percent);
            Ok((
                self.service(&mirror.name)?,
                share.ok_or_else(|| self.error("a mirror gets 0 to 100 percent"))?,
            ))
        });
        let host = services.rewrite.host.as_deref().map(|host| self.host(host)).transpose()?;
        Ok(Forward { split, failover, mirror: mirror.transpose()?, host, path: services.rewrite.path })
    }

    fn redirect(&self, redirect: Redirect) -> Result<Redirect, RoutingError> {
        const STATUSES: [StatusCode; 5] = [
            StatusCode::MOVED_PERMANENTLY,
            StatusCode::FOUND,
            StatusCode::SEE_OTHER,
            StatusCode::TEMPORARY_REDIRECT,
            StatusCode::PERMANENT_REDIRECT,
        ];
        if !STATUSES.contains(&redirect.status) {
            return Err(self.error("a redirect is 301, 302, 303, 307 or 308"));
        }
        redirect.host.as_deref().map_or(Ok(()), |host| self.host(host).map(drop))?;
        Ok(redirect)
    }

    fn host(&self, host: &str) -> Result<HeaderValue, RoutingError> {
        let is_host = is_name(host.split_once(':').map_or(host, |(name, _)| name));
        let value = HeaderValue::try_from(host).ok().filter(|_| is_host);
        value.ok_or_else(|| self.error(format!("{host:?} is no host")))
    }

    /// Whether what is changed on the way fits where the route leads: the variables of paths that it speaks of.
    fn transform(&self, transform: &Transform, target: &Target) -> Result<Box<[Arc<str>]>, RoutingError> {
        if let Some(hook) = transform.external() {
            self.service(&hook.config().service)?;
        }
        if let (true, Target::Services(services)) = (transform.takes_grpc_web(), target) {
            let names = services.choice.iter().map(|one| &*one.name).chain(services.failover.as_deref());
            let speaks = |name: &&str| {
                let service = self.services.get(*name).and_then(|number| self.known.get(*number));
                service.is_some_and(|service| service.transport.speaks == Speaks::Http1)
            };
            if let Some(name) = { names }.find(speaks) {
                return Err(self.error(format!("gRPC-Web needs HTTP/2, and {name:?} speaks HTTP/1.1")));
            }
        }
        let mut captures: Vec<Arc<str>> = transform.captures().map(Arc::from).collect();
        captures.sort_unstable();
        captures.dedup();
        Ok(captures.into())
    }

    /// How each match takes paths, where they are rewritten or where somebody asks for their variables.
    fn forms(
        &self,
        rewrite: Option<&PathRewrite>,
        captures: &[Arc<str>],
        matches: &[Match],
    ) -> Result<Box<[Form]>, RoutingError> {
        let mut names: Vec<&str> = captures.iter().map(|name| &**name).collect();
        match rewrite {
            None if names.is_empty() => return Ok(Box::default()),
            None => {}
            Some(PathRewrite::Prefix(text)) => self.path(text)?,
            Some(PathRewrite::Full(text)) => {
                self.path(text)?;
                names.extend(variables(text));
            }
        }
        let unknown = |name: &str| self.error(format!("no template has the variable {{{name}}}"));
        let form = |one: &Match| match (rewrite, &one.path) {
            (Some(PathRewrite::Prefix(_)), Path::Prefix(prefix)) if names.is_empty() => {
                Ok(Form::Prefix(prefix.trim_end_matches('/').len()))
            }
            (Some(PathRewrite::Prefix(_)), Path::Exact(_) | Path::Template(_) | Path::Regex(_)) => {
                Err(self.error("a prefix is to be replaced, but none is matched"))
            }
            (_, Path::Template(template)) => {
                let template = Template::parse(template).map_err(|why| self.error(why))?;
                match names.iter().find(|name| !template.has_variable(name)) {
                    Some(name) => Err(unknown(name)),
                    None => Ok(Form::Template(template)),
                }
            }
            _ => names.first().map_or(Ok(Form::Other), |name| Err(unknown(name))),
        };
        matches.iter().map(form).collect()
    }
}
