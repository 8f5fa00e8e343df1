//! The look-up: hosts, then paths, then what else is asked of a request. What a request costs here depends on its host
//! and its path, not on how many routes there are.

use hashbrown::HashMap;
use http::Method;

use super::cell::{Asked, Candidate, Clashes, Hit, Values};
use super::paths::{Lengths, Paths, Unfit};
use super::template::Template;
use super::{Host, Match, Path};

/// What was found for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// This route, by this match.
    Route(Hit),
    /// Routes that take everything but the method: the methods they take.
    Methods(Vec<Method>),
    /// Nothing.
    Nothing,
}

/// What one route takes.
#[derive(Debug)]
pub(super) struct Takes {
    pub(super) matches: Vec<Match>,
    /// The first so many are its own. The others clash with nobody's: the one that stands first has them.
    pub(super) own: usize,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    exact: HashMap<Box<str>, Paths>,
    /// By the domain, with its leading dot.
    below: HashMap<Box<str>, Paths>,
    /// Of the domains in `below`.
    lengths: Lengths,
    any: Paths,
}

impl Table {
    /// A table of the matches of routes. Templates and regular expressions have been checked.
    ///
    /// # Errors
    /// Two of them take the same requests, or there are too many regular expressions.
    pub(super) fn new(routes: &[Takes]) -> Result<Self, Unfit> {
        let mut table = Self::default();
        let mut values = Values::default();
        for (route, takes) in (0_u32..).zip(routes) {
            for (number, one) in (0_u32..).zip(&takes.matches) {
                let unfit = |why| Unfit::Regexes { route, why };
                let candidate = Candidate::new(Hit { route, number }, one, &mut values).map_err(unfit)?;
                table.add(one, candidate);
            }
        }
        let of = |hit: Hit| {
            let takes = routes.get(hit.route as usize)?;
            takes.matches.get(..takes.own)?.get(hit.number as usize)
        };
        let mut clashes = Clashes { of: &of };
        let hosts = table.exact.values_mut().chain(table.below.values_mut()).chain([&mut table.any]);
        for paths in hosts {
            paths.finish(&mut clashes)?;
        }
        Ok(table)
    }

    fn add(&mut self, one: &Match, candidate: Candidate) {
        let template = match &one.path {
            Path::Template(text) => Template::parse(text).ok(),
            _ => None,
        };
        for host in &one.hosts {
            let paths = match host {
                Host::Exact(host) => self.exact.entry(host.as_str().into()).or_default(),
                Host::Below(domain) => {
                    self.lengths.add(domain.len());
                    self.below.entry(domain.as_str().into()).or_default()
                }
            };
            paths.add(&one.path, template.clone(), candidate.clone());
        }
        if one.hosts.is_empty() {
            self.any.add(&one.path, template, candidate);
        }
    }

    /// The route for a request: of its own host, else of the domains above it, the longest first, else of any host.
    pub(super) fn find(&self, asked: &Asked<'_>) -> Found {
        let mut allowed = Vec::new();
        if !self.exact.is_empty()
            && let Some(paths) = self.exact.get(asked.host)
            && let Some(hit) = paths.find(asked, &mut allowed)
        {
            return Found::Route(hit);
        }
        if !self.below.is_empty()
            && let Some(hit) = self.below(asked, &mut allowed)
        {
            return Found::Route(hit);
        }
        match self.any.find(asked, &mut allowed) {
            Some(hit) => Found::Route(hit),
            None if allowed.is_empty() => Found::Nothing,
            None => Found::Methods(allowed),
        }
    }

    fn below(&self, asked: &Asked<'_>, allowed: &mut Vec<Method>) -> Option<Hit> {
        let dots = asked.host.bytes().enumerate().skip(1).filter(|(_, byte)| *byte == b'.');
        let domains = dots.filter_map(|(at, _)| asked.host.get(at..));
        domains
            .filter(|domain| self.lengths.may_have(domain.len()))
            .filter_map(|domain| self.below.get(domain))
            .find_map(|paths| paths.find(asked, allowed))
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
