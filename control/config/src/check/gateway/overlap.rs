//! Which routes leave nothing to others: those that ask for the very same thing, and expressions below a prefix. What is
//! looked up is hashed, so that ten thousand routes cost ten thousand look-ups.

use std::collections::HashMap;
use std::fmt::Write;

use super::Spot;
use super::pattern::literal_start;
use crate::config::{RouteMatch, RoutePath};

#[derive(Default)]
pub(super) struct Overlaps {
    /// By everything that is asked for, and by one method or none.
    seen: HashMap<(String, Option<&'static str>), Spot>,
    /// Prefixes that take every request below them, by host and path.
    open: HashMap<(String, String), Spot>,
    expressions: Vec<(String, String, Spot)>,
}

impl Overlaps {
    /// Adds a match; answers with the first one that takes some of the same requests, and before which it does not go. A
    /// route for some methods beside one for the rest is a way to say "other methods go elsewhere".
    pub(super) fn add(&mut self, spot: Spot, one: &RouteMatch) -> Option<Spot> {
        let asked = asked(one);
        let any = one.hosts.is_empty().then_some("");
        let mut first = None;
        for host in one.hosts.iter().map(String::as_str).chain(any) {
            let key = format!("{host}{asked}");
            let every = one.methods.is_empty().then_some(None);
            for method in one.methods.iter().copied().map(Some).chain(every) {
                let known = *self.seen.entry((key.clone(), method)).or_insert(spot);
                if known.route != spot.route {
                    first.get_or_insert(known);
                }
            }
            let is_open = one.methods.is_empty() && one.headers.is_empty() && one.query.is_empty();
            match &one.path {
                RoutePath::Prefix(prefix) if is_open && prefix != "/" => {
                    self.open.entry((host.to_owned(), prefix.clone())).or_insert(spot);
                }
                RoutePath::Regex(pattern) => self.expressions.push((host.to_owned(), pattern.clone(), spot)),
                _ => {}
            }
        }
        first
    }

    /// The expressions that are never reached, each with the prefix that goes before it.
    pub(super) fn never_reached(self) -> Vec<(Spot, Spot)> {
        let Self { open, expressions, .. } = self;
        let above = |host: &str, pattern: &str| {
            let (start, is_all) = literal_start(pattern);
            let slashes = start.match_indices('/').map(|(at, _)| at);
            let ends = slashes.chain(is_all.then_some(start.len())).filter(|end| *end > 0);
            ends.filter_map(|end| open.get(&(host.to_owned(), start[..end].to_owned()))).next().copied()
        };
        let reached =
            expressions.iter().filter_map(|(host, pattern, spot)| Some((*spot, above(host, pattern)?)));
        reached.collect()
    }
}

/// What a match asks for beyond its host and its methods, written in one way.
fn asked(one: &RouteMatch) -> String {
    let mut text = String::new();
    match &one.path {
        RoutePath::Exact(path) => text.extend([" =", path]),
        RoutePath::Prefix(path) => text.extend([" ^", path]),
        RoutePath::Regex(pattern) => text.extend([" ~", pattern]),
        RoutePath::Template(path) => {
            // What a variable is called makes no difference.
            text.push_str(" :");
            for segment in path.split('/').skip(1) {
                text.extend(["/", if segment.starts_with('{') { "{}" } else { segment }]);
            }
        }
    }
    if !(one.headers.is_empty() && one.query.is_empty()) {
        let _ = write!(text, " {:?} {:?}", one.headers, one.query);
    }
    text
}
