//! Regular expressions that take a whole text or nothing. A search is linear in the text: a lazy automaton, whose
//! states are kept in a cache of bounded size that each thread has for itself, and no backtracking.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::pool::Pool;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind, PatternSet};

use crate::limits::{REGEX_BYTES, REGEX_CACHE_BYTES, REGEX_NFA_BYTES, REGEX_NFA_SHARES};

/// Several expressions, tried together in one pass over the text.
pub(super) struct Patterns {
    dfa: DFA,
    scratch: Pool<Scratch, MakeScratch>,
}

struct Scratch {
    cache: Cache,
    found: PatternSet,
}

type MakeScratch = Box<dyn Fn() -> Scratch + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// Why a text is no expression that is tried here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unusable(pub(super) String);

impl Patterns {
    /// # Errors
    /// They are too large; that each is an expression was found by [`check`].
    pub(super) fn new(patterns: &[&str]) -> Result<Self, Unusable> {
        let bytes = REGEX_NFA_BYTES.saturating_mul(patterns.len().clamp(1, REGEX_NFA_SHARES));
        let whole: Vec<String> = patterns.iter().map(|pattern| format!(r"(?:{pattern})\z")).collect();
        let dfa = DFA::builder()
            .configure(
                DFA::config()
                    .match_kind(MatchKind::All)
                    .cache_capacity(REGEX_CACHE_BYTES)
                    .skip_cache_capacity_check(true),
            )
            .thompson(
                thompson::Config::new()
                    .utf8(false)
                    .nfa_size_limit(Some(bytes))
                    .which_captures(WhichCaptures::None),
            )
            .syntax(flavour())
            .build_many(&whole)
            .map_err(|error| Unusable(last_words(&error)))?;
        let fresh = {
            let dfa = dfa.clone();
            move || Scratch { cache: dfa.create_cache(), found: PatternSet::new(dfa.pattern_len()) }
        };
        let make: MakeScratch = Box::new(fresh);
        Ok(Self { dfa, scratch: Pool::new(make) })
    }

    /// Whether any of them takes `text`.
    pub(super) fn take(&self, text: &[u8]) -> bool {
        let mut scratch = self.scratch.get();
        // No state of the automaton quits or gives up: there are no such bytes, and no bound to fills of the cache.
        self.dfa.try_search_fwd(&mut scratch.cache, &whole(text)).is_ok_and(|end| end.is_some())
    }

    /// The first of them, in their order, that takes `text` and for which `choose` answers.
    pub(super) fn first<T>(&self, text: &[u8], mut choose: impl FnMut(usize) -> Option<T>) -> Option<T> {
        let mut scratch = self.scratch.get();
        let Scratch { cache, found } = &mut *scratch;
        found.clear();
        self.dfa.try_which_overlapping_matches(cache, &whole(text), found).ok()?;
        found.iter().find_map(|pattern| choose(pattern.as_usize()))
    }
}

fn whole(text: &[u8]) -> Input<'_> {
    Input::new(text).anchored(Anchored::Yes)
}

/// Bytes, not characters: what is matched here may hold any, and classes without Unicode are small.
fn flavour() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false).nest_limit(32)
}

/// Whether `pattern` is an expression, by itself, before it is put between others' brackets.
///
/// # Errors
/// Why it is not.
pub(super) fn check(pattern: &str) -> Result<(), Unusable> {
    if pattern.len() > REGEX_BYTES {
        return Err(Unusable(format!("it has more than {REGEX_BYTES} bytes")));
    }
    syntax::parse_with(pattern, &flavour()).map(drop).map_err(|error| Unusable(last_words(&error)))
}

/// What is wrong, without the drawing of where.
fn last_words(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

impl fmt::Debug for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patterns").field("count", &self.dfa.pattern_len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_takes_the_whole_text_or_nothing() {
        for (pattern, text, takes) in [
            ("/v[0-9]+/.*", "/v2/users", true),
            ("/v[0-9]+/.*", "/x/v2/users", false),
            ("/v[0-9]+", "/v2/users", false),
            ("a|b", "b", true),
            ("a|b", "ba", false),
            ("(?i)abc", "aBc", true),
            (r"\d+", "\u{661}", false),
            (".", "\u{e9}", false),
            ("..", "\u{e9}", true),
            ("", "", true),
            ("a$", "a\n", false),
            (r"(?m)a$", "a\nb", false),
        ] {
            let patterns = Patterns::new(&[pattern]).unwrap();
            assert_eq!(patterns.take(text.as_bytes()), takes, "{pattern} {text:?}");
        }
    }

    #[test]
    fn the_first_of_many_is_found_in_one_pass() {
        let patterns = Patterns::new(&["/a/.*", "/a/b", "/[ab]/b"]).unwrap();
        let all = |text: &str| {
            let mut found = Vec::new();
            assert_eq!(
                patterns.first(text.as_bytes(), |at| {
                    found.push(at);
                    None::<()>
                }),
                None
            );
            found
        };
        assert_eq!(all("/a/b"), [0, 1, 2]);
        assert_eq!(all("/b/b"), [2]);
        assert_eq!(all("/c"), [] as [usize; 0]);
        assert_eq!(patterns.first(b"/a/b", Some), Some(0));
    }

    #[test]
    fn what_is_no_expression_or_too_large_is_refused() {
        for pattern in
            ["(", "a)|(?:b", "a{99999}", r"(?u)\b", "((a{200}){200})", "(?x)a #", &"a".repeat(2000)]
        {
            let refused = check(pattern).and_then(|()| Patterns::new(&[pattern]).map(drop));
            assert!(
                refused.as_ref().is_err_and(|why| !why.0.is_empty() && !why.0.contains('\n')),
                "{pattern}"
            );
        }
        assert_eq!(check("[a-z]{2,40}/(x|y)*"), Ok(()));
    }

    /// An expression that ruins programs which backtrack.
    #[test]
    fn a_hostile_text_costs_what_its_length_says() {
        let patterns = Patterns::new(&["(a|a)*(a|a)*(a|a)*b"]).unwrap();
        let text = vec![b'a'; 8 * 1024];
        assert!(!patterns.take(&text));
    }
}
