//! Regular expressions: whether the proxy will try them. The rules are its own: bytes instead of characters, the whole
//! text or nothing, and a bound for the automaton that an expression becomes.

use std::collections::{BTreeSet, HashMap, HashSet};

use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::look::Look;
use regex_automata::util::syntax;

use crate::limits::{
    REGEX_BYTES_MAX, REGEX_HOST_BYTES_MAX, REGEX_NFA_BYTES_MAX, REGEXES_OF_VALUES_MAX, REGEXES_PER_HOST_MAX,
};

/// Expressions that were looked at, and how many there are.
#[derive(Default)]
pub(super) struct Patterns {
    /// What the automaton of each takes, in bytes, or why it is not tried.
    known: HashMap<String, Result<usize, String>>,
    /// How many paths of a host are expressions, and how many bytes they take.
    of_host: HashMap<String, (usize, usize)>,
    of_values: HashSet<String>,
}

impl Patterns {
    /// Looks at the expression of a path, which the proxy tries in so many descriptions of requests.
    ///
    /// # Errors
    /// Why it is not tried.
    pub(super) fn path(
        &mut self,
        pattern: &str,
        hosts: &BTreeSet<String>,
        times: usize,
    ) -> Result<(), String> {
        let size = self.check(pattern)?;
        let any = hosts.is_empty().then_some("");
        for host in hosts.iter().map(String::as_str).chain(any) {
            let (count, bytes) = self.of_host.entry(host.to_owned()).or_default();
            (*count, *bytes) = (*count + times, bytes.saturating_add(size.saturating_mul(times)));
            if *count > REGEXES_PER_HOST_MAX {
                return Err(match times {
                    1 => format!("its host has {REGEXES_PER_HOST_MAX} others already"),
                    _ => format!(
                        "its host has over {REGEXES_PER_HOST_MAX}, {} for preflight requests in it",
                        times - 1
                    ),
                });
            }
            if *bytes > REGEX_HOST_BYTES_MAX {
                return Err(format!(
                    "with the others of its host it takes over {REGEX_HOST_BYTES_MAX} bytes"
                ));
            }
        }
        Ok(())
    }

    /// Looks at the expression of a header or a parameter.
    ///
    /// # Errors
    /// Why it is not tried.
    pub(super) fn value(&mut self, pattern: &str) -> Result<(), String> {
        self.check(pattern)?;
        self.of_values.insert(pattern.to_owned());
        if self.of_values.len() > REGEXES_OF_VALUES_MAX {
            return Err(format!("there are {REGEXES_OF_VALUES_MAX} others already"));
        }
        Ok(())
    }

    fn check(&mut self, pattern: &str) -> Result<usize, String> {
        if let Some(known) = self.known.get(pattern) {
            return known.clone();
        }
        let size = size(pattern);
        self.known.insert(pattern.to_owned(), size.clone());
        size
    }
}

fn size(pattern: &str) -> Result<usize, String> {
    if pattern.len() > REGEX_BYTES_MAX {
        return Err(format!("an expression has at most {REGEX_BYTES_MAX} bytes"));
    }
    let flavour = syntax::Config::new().unicode(false).utf8(false).nest_limit(32);
    // By itself, before it is put between others' brackets.
    syntax::parse_with(pattern, &flavour).map_err(|error| last_line(&error.to_string()))?;
    let automaton = NFA::compiler()
        .configure(
            thompson::Config::new()
                .utf8(false)
                .nfa_size_limit(Some(REGEX_NFA_BYTES_MAX))
                .which_captures(WhichCaptures::None),
        )
        .syntax(flavour)
        .build(&format!(r"(?:{pattern})\z"))
        .map_err(|error| last_line(&error.to_string()))?;
    let words = [Look::WordUnicode, Look::WordUnicodeNegate];
    if words.into_iter().any(|look| automaton.look_set_any().contains(look)) {
        return Err("the border of a word is that of ASCII here".to_owned());
    }
    Ok(automaton.memory_usage())
}

fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// What every text begins with that the expression takes, as far as can be told without reading it as one, and whether
/// that is all of it.
pub(super) fn literal_start(pattern: &str) -> (&str, bool) {
    if pattern.contains('|') || pattern.starts_with("(?") {
        return ("", false);
    }
    let special = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '~' | '%' | '='));
    let Some(at) = pattern.find(special) else { return (pattern, true) };
    let start = &pattern[..at];
    // What repeats the letter before it may repeat it no times.
    let repeats = pattern[at..].starts_with(['*', '?', '{']);
    (if repeats { &start[..start.len().saturating_sub(1)] } else { start }, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_literal_start_of_an_expression_is_told_where_it_is_plain() {
        for (pattern, start) in [
            ("/a/b", ("/a/b", true)),
            ("/api/v[0-9]+/x", ("/api/v", false)),
            ("/ab*", ("/a", false)),
            ("/ab+", ("/ab", false)),
            ("/a.b", ("/a", false)),
            ("/a|/b", ("", false)),
            ("(?i)/a", ("", false)),
            ("[a]", ("", false)),
        ] {
            assert_eq!(literal_start(pattern), start, "{pattern}");
        }
    }
}
