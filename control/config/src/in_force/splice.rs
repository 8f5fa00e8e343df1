//! The next version of a text whose tree is known: where it differs only within the routes, only what has changed is
//! parsed, for a file of thousands of routes takes its time. Decides when that gives the same tree as parsing all of it
//! would; wherever that is not plain to see, it gives none.
//!
//! A parser goes from top to bottom. At the first line of an item of a block list it stands in the same place, whatever
//! the items before it say; so the lines from one item up to another are a list by themselves, if they parse as one, and
//! what follows is read as it was. Names for values (`&name`) reach further than that, and are left to the parser.

use std::sync::Arc;

use super::part::routes;
use crate::limits::{FILE_BYTES_MAX, FILE_NODES_MAX};
use crate::tree::{Node, Place, Step, Value};

/// A text and its tree.
#[derive(Debug)]
pub(super) struct Read {
    text: String,
    tree: Arc<Node>,
}

impl Read {
    pub(super) fn new(text: &str, tree: Arc<Node>) -> Self {
        Self { text: text.to_owned(), tree }
    }

    /// The tree of `text`, made of this one; `None` when all of it must be parsed.
    pub(super) fn again(&self, text: &str) -> Option<Node> {
        if text.len() > FILE_BYTES_MAX {
            return None;
        }
        let change = Change::between(&self.text, text)?;
        let items = Items::of(&self.text, &self.tree)?;
        let (first, last) = items.around(&change)?;
        let begin = items.starts.get(first)?;
        let end = items.starts.get(last).copied().unwrap_or(items.end);
        let (old, new) = (lines(&self.text, *begin, end)?, lines(text, *begin, change.moved(end)?)?);
        if old.contains('&') || new.contains('&') || !new.lines().all(|line| is_inside(line, items.indent)) {
            return None;
        }
        let mut fresh = match Node::parse(new, "").ok()?.value {
            Value::List(fresh) => fresh,
            _ => return None,
        };
        let new_lines: Vec<&str> = new.lines().collect();
        let is_item = |item: &Node| begins_item(line_of(&new_lines, item.place)?, items.indent).then_some(());
        fresh.iter().try_for_each(is_item)?;
        let down = isize::try_from(*begin).ok()?;
        fresh.iter_mut().for_each(|item| item.shift(down, 0));
        let mut tree = Node::clone(&self.tree);
        // Places are counted from 1: what stands in the line `end` or below has moved.
        tree.shift(change.delta, end);
        let Value::List(all) = &mut tree.at_mut(&[Step::Key("gateway"), Step::Key("routes")])?.value else {
            return None;
        };
        all.splice(first..last, fresh);
        (tree.count() <= FILE_NODES_MAX).then_some(tree)
    }
}

/// Which lines differ, counted from 0.
struct Change {
    begin: usize,
    /// The first line after the change in the old text.
    end: usize,
    /// How many lines more the new text has.
    delta: isize,
}

impl Change {
    /// `None` where lines are not what they seem.
    fn between(old: &str, new: &str) -> Option<Self> {
        if old.contains('\r') || new.contains('\r') || !old.ends_with('\n') || !new.ends_with('\n') {
            return None;
        }
        let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
        let begin = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let most = old.len().min(new.len()) - begin;
        let after = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
        let delta = isize::try_from(new.len()).ok()? - isize::try_from(old.len()).ok()?;
        Some(Self { begin, end: old.len() - after, delta })
    }

    /// Where a line that is the same in both texts stands in the new one; the end stays the end.
    fn moved(&self, line: usize) -> Option<usize> {
        if line == usize::MAX { Some(line) } else { line.checked_add_signed(self.delta) }
    }
}

/// The routes as items of a block list.
struct Items {
    /// The line of each, counted from 0.
    starts: Vec<usize>,
    /// The line in which something else begins; [`usize::MAX`] where nothing does.
    end: usize,
    /// What stands before each dash.
    indent: usize,
}

impl Items {
    fn of(text: &str, tree: &Node) -> Option<Self> {
        let all: Vec<&str> = text.lines().collect();
        let items = routes(tree);
        let first = line_of(&all, items.first()?.place)?;
        let indent = first.len() - first.trim_start_matches(' ').len();
        let start = |item: &Node| {
            begins_item(line_of(&all, item.place)?, indent)
                .then(|| usize::try_from(item.place.line - 1).ok())?
        };
        let starts: Vec<usize> = items.iter().map(start).collect::<Option<_>>()?;
        let last = *starts.last()?;
        // Every item in a line of its own, one below the other.
        if indent == 0 || !starts.is_sorted_by(|a, b| a < b) {
            return None;
        }
        let gateway = tree.at(&[Step::Key("gateway")])?;
        let keys = keys(tree)
            .chain(keys(gateway))
            .filter_map(|place| usize::try_from(place.line).ok()?.checked_sub(1));
        let end = keys.filter(|line| *line > last).min().unwrap_or(usize::MAX);
        Some(Self { starts, end, indent })
    }

    /// The items that the change lies within: from one that begins above it up to one, or the end, that begins below.
    fn around(&self, change: &Change) -> Option<(usize, usize)> {
        let first = self.starts.partition_point(|start| *start < change.begin).checked_sub(1)?;
        let last = self.starts.partition_point(|start| *start < change.end).max(first + 1);
        (last < self.starts.len() || self.end >= change.end).then_some((first, last))
    }
}

fn keys(node: &Node) -> impl Iterator<Item = Place> {
    let entries = match &node.value {
        Value::Map(entries) => entries.as_slice(),
        _ => &[],
    };
    entries.iter().map(|(key, _)| key.place)
}

/// The lines from `begin` up to `end`.
fn lines(text: &str, begin: usize, end: usize) -> Option<&str> {
    let at = |line: usize| match line {
        0 => Some(0),
        usize::MAX => Some(text.len()),
        _ => text.match_indices('\n').nth(line - 1).map(|(index, _)| index + 1),
    };
    text.get(at(begin)?..at(end)?)
}

fn line_of<'l>(lines: &[&'l str], place: Place) -> Option<&'l str> {
    lines.get(usize::try_from(place.line).ok()?.checked_sub(1)?).copied()
}

/// Whether an item of a list that is indented so far begins in this line.
fn begins_item(line: &str, indent: usize) -> bool {
    let (before, rest) = line.split_at_checked(indent).unwrap_or_default();
    before.bytes().all(|byte| byte == b' ') && rest.starts_with("- ")
}

/// Whether the line cannot end a list that is indented so far.
fn is_inside(line: &str, indent: usize) -> bool {
    let rest = line.trim_start_matches(' ');
    rest.is_empty() || rest.starts_with('#') || line.len() - rest.len() >= indent
}

impl Node {
    /// How many values and keys it is made of.
    fn count(&self) -> usize {
        1 + match &self.value {
            Value::Scalar(_) => 0,
            Value::List(items) => items.iter().map(Self::count).sum::<usize>(),
            Value::Map(entries) => entries.iter().map(|(_, node)| 1 + node.count()).sum::<usize>(),
        }
    }

    /// Moves it `delta` lines down, and what is in it, as far as it stands in the line `from` or below (counted from 0).
    fn shift(&mut self, delta: isize, from: usize) {
        self.place.shift(delta, from);
        match &mut self.value {
            Value::Scalar(_) => {}
            Value::List(items) => items.iter_mut().for_each(|item| item.shift(delta, from)),
            Value::Map(entries) => entries.iter_mut().for_each(|(key, node)| {
                key.place.shift(delta, from);
                node.shift(delta, from);
            }),
        }
    }
}

impl Place {
    fn shift(&mut self, delta: isize, from: usize) {
        // 0 is no line.
        if let (Ok(line), Ok(delta)) = (usize::try_from(self.line), i64::try_from(delta))
            && line > from
        {
            self.line = self.line.saturating_add_signed(delta);
        }
    }
}

#[cfg(test)]
mod tests;
