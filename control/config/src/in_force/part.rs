//! The parts of a file that are good or bad each for itself, and how one is put back or taken out.

use std::cell::OnceCell;
use std::collections::HashMap;

use crate::problem::Problem;
use crate::tree::{Key, Node, Step, Value};

const GATEWAY: &str = "gateway";
const ROUTES: [Step<'static>; 2] = [Step::Key(GATEWAY), Step::Key("routes")];
const SERVICES: &str = "services";
/// A file of another version may mean something else by every key.
const VERSION: &str = "version";

/// What was in force.
pub(super) struct Last<'l> {
    tree: &'l Node,
    routes: OnceCell<HashMap<String, &'l Node>>,
}

impl<'l> Last<'l> {
    pub(super) const fn new(tree: &'l Node) -> Self {
        Self { tree, routes: OnceCell::new() }
    }

    fn route(&self, own: &str) -> Option<&'l Node> {
        let all = || routes(self.tree).iter().filter_map(|route| Some((identity(route)?, route))).collect();
        self.routes.get_or_init(all).get(own).copied()
    }
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    /// The route of this number.
    Route(usize),
    /// The value behind these keys.
    Keys(Vec<String>),
}

/// The routes of a file.
pub(super) fn routes(tree: &Node) -> &[Node] {
    match tree.at(&ROUTES).map(|node| &node.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

impl Part {
    /// The smallest part that holds the place `path`; `None` when that is the whole file.
    pub(super) fn of(path: &str, tree: &Node) -> Option<Self> {
        if let Some(rest) = path.strip_prefix("gateway.routes[")
            && let Some((number, _)) = rest.split_once(']')
        {
            return number.parse().ok().map(Self::Route);
        }
        let (first, rest) = key_of(path, tree).filter(|(first, _)| *first != VERSION)?;
        let inner = [GATEWAY, SERVICES].contains(&first).then(|| tree.at(&[Step::Key(first)])).flatten();
        let second = inner.and_then(|inner| key_of(rest, inner)).map(|(second, _)| second);
        Some(Self::Keys([Some(first), second].into_iter().flatten().map(str::to_owned).collect()))
    }

    /// The same part with another number, if it is a route.
    pub(super) fn with_route(self, number: impl FnOnce(usize) -> usize) -> Self {
        match self {
            Self::Route(own) => Self::Route(number(own)),
            other => other,
        }
    }

    /// The problem as one of this part: `found` is the number that the route had when it was found.
    pub(super) fn rename(&self, mut problem: Problem, found: &Self) -> Problem {
        if let (Self::Route(own), Self::Route(found)) = (self, found)
            && let Some(rest) = problem.path.strip_prefix(&format!("gateway.routes[{found}]"))
        {
            problem.path = format!("gateway.routes[{own}]{rest}");
        }
        problem
    }

    /// Puts the last good version in place of the part: whether there is one.
    pub(super) fn restore(&self, tree: &mut Node, last: &Last<'_>) -> bool {
        let good = match self {
            Self::Route(number) => {
                routes(tree).get(*number).and_then(identity).and_then(|own| last.route(&own))
            }
            Self::Keys(keys) => last.tree.at(&steps(keys)),
        };
        match (good, self.entry(tree)) {
            (Some(good), Some(entry)) => {
                *entry = good.clone();
                true
            }
            _ => false,
        }
    }

    /// Takes the part out: whether it was there.
    pub(super) fn remove(&self, tree: &mut Node) -> bool {
        match self {
            Self::Route(number) => match tree.at_mut(&ROUTES).map(|node| &mut node.value) {
                Some(Value::List(items)) if *number < items.len() => {
                    items.remove(*number);
                    true
                }
                _ => false,
            },
            Self::Keys(keys) => {
                let Some((last, above)) = keys.split_last() else { return false };
                let Some(Value::Map(entries)) = tree.at_mut(&steps(above)).map(|node| &mut node.value) else {
                    return false;
                };
                let before = entries.len();
                entries.retain(|(key, _)| key.name != *last);
                entries.len() < before
            }
        }
    }

    fn entry<'t>(&self, tree: &'t mut Node) -> Option<&'t mut Node> {
        match self {
            Self::Route(number) => match &mut tree.at_mut(&ROUTES)?.value {
                Value::List(items) => items.get_mut(*number),
                _ => None,
            },
            Self::Keys(keys) => tree.at_mut(&steps(keys)),
        }
    }
}

fn steps(keys: &[String]) -> Vec<Step<'_>> {
    keys.iter().map(|key| Step::Key(key)).collect()
}

/// The key of `node` that `path` begins with, and what follows it. Keys may hold dots: the longest one counts.
fn key_of<'p>(path: &'p str, node: &Node) -> Option<(&'p str, &'p str)> {
    let Value::Map(entries) = &node.value else { return None };
    let begins = |key: &Key| {
        let rest = path.strip_prefix(key.name.as_str())?;
        (rest.is_empty() || rest.starts_with(['.', '['])).then_some(key.name.len())
    };
    let length = entries.iter().filter_map(|(key, _)| begins(key)).max()?;
    let (key, rest) = path.split_at_checked(length)?;
    Some((key, rest.strip_prefix('.').unwrap_or(rest)))
}

/// By what a route is known from one version to the next: its name, or what it matches.
fn identity(route: &Node) -> Option<String> {
    let name = route.at(&[Step::Key("name")]).filter(|name| name.is_scalar());
    name.or_else(|| route.at(&[Step::Key("match")])).map(|node| node.to_json().to_string())
}
