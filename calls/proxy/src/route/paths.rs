//! The paths of one host. An exact path goes before a template, a template before a prefix, the longer prefix before
//! the shorter one, and a regular expression comes last but for `/`, the prefix that says nothing.
//!
//! What a look-up costs: one hash for the exact path; one for each shape of templates (which segments are literal) that
//! has as many segments as the path; one for each slash at which some prefix ends; and one pass over the path for all
//! regular expressions together. The hash is a fast one: nobody but the configuration puts keys into these maps.

use std::cmp::Reverse;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use http::Method;

use super::cell::{Asked, Candidate, Cell, Clash, Clashes, Hit};
use super::matches::Path;
use super::pattern::{Patterns, Unusable};
use super::template::{Segments, Shape, Template};
use crate::limits::REGEXES_PER_HOST;

#[derive(Debug, Default)]
pub(super) struct Paths {
    exact: HashMap<Box<str>, Cell>,
    templates: Templates,
    prefix: HashMap<Box<str>, Cell>,
    /// Of all prefixes but `/`.
    lengths: Lengths,
    regexes: Option<Box<Regexes>>,
    /// Of the prefix `/`.
    root: Cell,
}

/// Which lengths there are, so that most of those that are not are never looked up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lengths {
    longest: usize,
    /// A bit for each length modulo 64.
    some: u64,
}

impl Lengths {
    pub(super) fn add(&mut self, length: usize) {
        self.longest = self.longest.max(length);
        self.some |= 1 << (length % 64);
    }

    pub(super) const fn may_have(self, length: usize) -> bool {
        length <= self.longest && self.some & (1 << (length % 64)) != 0
    }
}

/// Templates by their shape: with the segments that are literal in it a path is looked up at once (tuple space search,
/// Srinivasan et al. 1999).
#[derive(Debug, Default)]
struct Templates {
    state: DefaultHashBuilder,
    shapes: Vec<(Shape, HashTable<(Template, Cell)>)>,
}

/// The regular expressions of one host, as one automaton. Its patterns stand in the order in which they are tried.
#[derive(Debug, Default)]
struct Regexes {
    candidates: Vec<(Box<str>, Candidate)>,
    all: Option<Patterns>,
}

/// Why the paths of a host cannot be put into a table.
#[derive(Debug)]
pub(super) enum Unfit {
    Clash(Clash),
    Regexes { route: u32, why: Unusable },
}

impl From<Clash> for Unfit {
    fn from(clash: Clash) -> Self {
        Self::Clash(clash)
    }
}

impl Paths {
    /// Adds one route; `template` is its path where that is one.
    pub(super) fn add(&mut self, path: &Path, template: Option<Template>, candidate: Candidate) {
        match (path, template) {
            (Path::Template(_), Some(template)) => self.templates.cell(template).add(candidate),
            (Path::Exact(path) | Path::Template(path), _) => {
                self.exact.entry(path.as_str().into()).or_default().add(candidate);
            }
            (Path::Prefix(prefix), _) => match prefix.trim_end_matches('/') {
                "" => self.root.add(candidate),
                prefix => {
                    self.lengths.add(prefix.len());
                    self.prefix.entry(prefix.into()).or_default().add(candidate);
                }
            },
            (Path::Regex(pattern), _) => {
                self.regexes.get_or_insert_default().candidates.push((pattern.as_str().into(), candidate));
            }
        }
    }

    /// Nothing is added any more.
    pub(super) fn finish(&mut self, clashes: &mut Clashes<'_>) -> Result<(), Unfit> {
        self.templates.shapes.sort_by_key(|(shape, _)| Reverse(*shape));
        let templates = self.templates.shapes.iter_mut().flat_map(|(_, table)| table.iter_mut());
        let cells = self.exact.values_mut().chain(self.prefix.values_mut()).chain([&mut self.root]);
        for cell in cells.chain(templates.map(|(_, cell)| cell)) {
            cell.finish(clashes)?;
        }
        self.regexes.as_deref_mut().map_or(Ok(()), |regexes| regexes.finish(clashes))
    }

    pub(super) fn find(&self, asked: &Asked<'_>, allowed: &mut Vec<Method>) -> Option<Hit> {
        let path = asked.path;
        if !self.exact.is_empty()
            && let Some(hit) = self.exact.get(path).and_then(|cell| cell.find(asked, allowed))
        {
            return Some(hit);
        }
        if let Some(hit) = self.templates.find(asked, allowed) {
            return Some(hit);
        }
        if !self.prefix.is_empty()
            && let Some(hit) = self.longest_prefix(asked, allowed)
        {
            return Some(hit);
        }
        if let Some(hit) = self.regexes.as_deref().and_then(|regexes| regexes.find(asked, allowed)) {
            return Some(hit);
        }
        if path.starts_with('/') { self.root.find(asked, allowed) } else { None }
    }

    /// From the whole path down to its first segment, cutting at slashes only.
    fn longest_prefix(&self, asked: &Asked<'_>, allowed: &mut Vec<Method>) -> Option<Hit> {
        let mut rest = asked.path;
        while !rest.is_empty() {
            if self.lengths.may_have(rest.len())
                && let Some(hit) = self.prefix.get(rest).and_then(|cell| cell.find(asked, allowed))
            {
                return Some(hit);
            }
            rest = rest.rsplit_once('/')?.0;
        }
        None
    }
}

impl Templates {
    fn cell(&mut self, template: Template) -> &mut Cell {
        let shape = template.shape();
        let at = self.shapes.iter().position(|(own, _)| *own == shape).unwrap_or_else(|| {
            self.shapes.push((shape, HashTable::new()));
            self.shapes.len() - 1
        });
        let (table, state) = (&mut self.shapes[at].1, &self.state);
        let hash = template.hash(state);
        let entry = table.entry(hash, |(own, _)| own.is_like(&template), |(own, _)| own.hash(state));
        &mut entry.or_insert_with(|| (template.clone(), Cell::default())).into_mut().1
    }

    fn find(&self, asked: &Asked<'_>, allowed: &mut Vec<Method>) -> Option<Hit> {
        if self.shapes.is_empty() {
            return None;
        }
        let segments = Segments::of(asked.path)?;
        let shapes = self.shapes.iter().filter(|(shape, _)| shape.count == segments.count());
        shapes.into_iter().find_map(|(shape, table)| {
            let hash = segments.hash(*shape, &self.state)?;
            let (_, cell) = table.find(hash, |(own, _)| own.takes(&segments))?;
            cell.find(asked, allowed)
        })
    }
}

impl Regexes {
    fn finish(&mut self, clashes: &mut Clashes<'_>) -> Result<(), Unfit> {
        self.candidates.sort_by_cached_key(|(_, candidate)| candidate.rank());
        clashes.check(self.candidates.iter().map(|(pattern, candidate)| (&**pattern, candidate.hit)))?;
        let last = self.candidates.iter().map(|(_, candidate)| candidate.hit.route).max().unwrap_or_default();
        let unfit = |why| Unfit::Regexes { route: last, why };
        if self.candidates.len() > REGEXES_PER_HOST {
            let why = format!("its host has more than {REGEXES_PER_HOST} regular expressions");
            return Err(unfit(Unusable(why)));
        }
        let patterns: Vec<&str> = self.candidates.iter().map(|(pattern, _)| &**pattern).collect();
        self.all = Some(Patterns::new(&patterns).map_err(unfit)?);
        Ok(())
    }

    fn find(&self, asked: &Asked<'_>, allowed: &mut Vec<Method>) -> Option<Hit> {
        let all = self.all.as_ref()?;
        all.first(asked.path.as_bytes(), |at| self.candidates.get(at)?.1.takes(asked, allowed))
    }
}
