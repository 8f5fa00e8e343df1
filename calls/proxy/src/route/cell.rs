//! The routes of one host and path: the first whose method, headers and query fit, a named method before any, then
//! the more headers, then the more parameters, then as they stand in the file.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use http::Method;
use http::header::{HeaderMap, HeaderName};

use super::matches::Wanted;
use super::pattern::{Patterns, Unusable};
use super::{Match, query};
use crate::limits::REGEXES_OF_VALUES;

/// What a request asks for; its path is in its normal form, its host in lower case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Option<&'a str>,
}

/// The route that takes a request, and the number of its match that does; the order of hits is that of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit {
    pub(crate) route: u32,
    pub(crate) number: u32,
}

/// Two routes that take the same requests, and neither goes before the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clash {
    pub(super) first: u32,
    pub(super) second: u32,
}

/// What a route asks for beyond host and path.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) hit: Hit,
    methods: Box<[Method]>,
    headers: Box<[(HeaderName, Value)]>,
    query: Box<[(Box<str>, Value)]>,
}

#[derive(Clone, Debug)]
enum Value {
    Present,
    Exact(Box<[u8]>),
    Regex(Arc<Patterns>),
}

/// In the order in which they are tried; so are the expressions of paths with it.
#[derive(Debug, Default)]
pub(super) struct Cell(Vec<Candidate>);

/// Expressions for values; each stands here once, however many routes use it.
#[derive(Debug, Default)]
pub(super) struct Values(HashMap<String, Arc<Patterns>>);

impl Values {
    fn compiled(&mut self, wanted: &Wanted) -> Result<Value, Unusable> {
        Ok(match wanted {
            Wanted::Present => Value::Present,
            Wanted::Exact(text) => Value::Exact(text.as_bytes().into()),
            Wanted::Regex(pattern) => Value::Regex(match self.0.get(pattern) {
                Some(known) => Arc::clone(known),
                None if self.0.len() >= REGEXES_OF_VALUES => {
                    return Err(Unusable(format!("there are more than {REGEXES_OF_VALUES} others")));
                }
                None => {
                    let new = Arc::new(Patterns::new(&[pattern])?);
                    self.0.insert(pattern.clone(), Arc::clone(&new));
                    new
                }
            }),
        })
    }
}

impl Candidate {
    /// # Errors
    /// One of its expressions cannot be used; each was checked, so that there are too many.
    pub(super) fn new(hit: Hit, matches: &Match, values: &mut Values) -> Result<Self, Unusable> {
        let headers = matches.headers.iter();
        let query = matches.query.iter();
        Ok(Self {
            hit,
            methods: matches.methods.as_slice().into(),
            headers: headers
                .map(|header| Ok((header.name.clone(), values.compiled(&header.value)?)))
                .collect::<Result<_, _>>()?,
            query: query
                .map(|one| Ok((one.name.as_str().into(), values.compiled(&one.value)?)))
                .collect::<Result<_, _>>()?,
        })
    }

    /// What decides among routes of the same path: the least goes first.
    pub(super) fn rank(&self) -> impl Ord + use<> {
        (self.methods.is_empty(), Reverse(self.headers.len()), Reverse(self.query.len()), self.hit)
    }

    /// The hit where it takes the request; where only the method is another one, what it would have taken.
    pub(super) fn takes(&self, asked: &Asked<'_>, allowed: &mut Vec<Method>) -> Option<Hit> {
        let is_method = self.methods.is_empty() || self.methods.contains(asked.method);
        let fits = self.headers.iter().all(|(name, value)| value.takes(header(asked.headers, name)))
            && self
                .query
                .iter()
                .all(|(name, value)| value.takes(asked.query.and_then(|text| query::value(text, name))));
        if fits && !is_method {
            let new = self.methods.iter().filter(|method| !allowed.contains(method)).cloned();
            let new: Vec<Method> = new.collect();
            allowed.extend(new);
        }
        (fits && is_method).then_some(self.hit)
    }
}

/// The value of a header; of several lines what RFC 9110, section 5.3, makes of them.
fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Cow<'h, [u8]>> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?.as_bytes();
    let mut all = Cow::Borrowed(first);
    for line in lines {
        let all = all.to_mut();
        all.extend(b", ");
        all.extend(line.as_bytes());
    }
    Some(all)
}

impl Value {
    fn takes(&self, value: Option<Cow<'_, [u8]>>) -> bool {
        match (self, value) {
            (_, None) => false,
            (Self::Present, Some(_)) => true,
            (Self::Exact(own), Some(value)) => **own == *value,
            (Self::Regex(pattern), Some(value)) => pattern.take(&value),
        }
    }
}

impl Cell {
    pub(super) fn add(&mut self, candidate: Candidate) {
        self.0.push(candidate);
    }

    /// Puts them into the order in which they are tried.
    pub(super) fn finish(&mut self, clashes: &mut Clashes<'_>) -> Result<(), Clash> {
        self.0.shrink_to_fit();
        if self.0.len() > 1 {
            self.0.sort_by_cached_key(Candidate::rank);
            clashes.check(self.0.iter().map(|candidate| ("", candidate.hit)))?;
        }
        Ok(())
    }

    pub(super) fn find(&self, asked: &Asked<'_>, allowed: &mut Vec<Method>) -> Option<Hit> {
        self.0.iter().find_map(|candidate| candidate.takes(asked, allowed))
    }
}

/// Finds routes that ask for the very same thing, among those of one path.
pub(super) struct Clashes<'m> {
    /// The match that belongs to a hit.
    pub(super) of: &'m dyn Fn(Hit) -> Option<&'m Match>,
}

impl Clashes<'_> {
    /// The hits, each with the expression of its path, if that is one.
    pub(super) fn check<'p>(&self, hits: impl Iterator<Item = (&'p str, Hit)>) -> Result<(), Clash> {
        // By everything they ask for, and by one method or any: a route for some methods beside one for the rest
        // is a way to say "other methods go elsewhere".
        let mut seen = HashMap::new();
        for (pattern, hit) in hits {
            let Some(matches) = (self.of)(hit) else { continue };
            let mut headers: Vec<_> =
                matches.headers.iter().map(|one| (one.name.as_str(), &one.value)).collect();
            let mut query: Vec<_> = matches.query.iter().map(|one| (one.name.as_str(), &one.value)).collect();
            headers.sort_unstable();
            query.sort_unstable();
            let any = matches.methods.is_empty().then_some(None);
            for method in matches.methods.iter().map(Some).chain(any) {
                let key = (pattern, method, headers.clone(), query.clone());
                if let Some(Hit { route, .. }) = seen.insert(key, hit)
                    // Within one route it makes no difference.
                    && route != hit.route
                {
                    let (first, second) = (route.min(hit.route), route.max(hit.route));
                    return Err(Clash { first, second });
                }
            }
        }
        Ok(())
    }
}
