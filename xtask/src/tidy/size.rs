//! Two gates on every Rust file: it is not longer than a reader can hold, and it opens by saying what it decides.

use crate::source;
use crate::tidy::Problem;
use crate::tree::{File, Tree};

/// Lines of product that one file may have.
const LINES_MAX: usize = 600;
/// A header that says less than this says nothing.
const HEADER_CHARS_MIN: usize = 12;

pub(crate) fn check(tree: &Tree) -> Vec<Problem> {
    tree.rust().flat_map(|file| [length(file), header(file)]).flatten().collect()
}

fn length(file: &File) -> Option<Problem> {
    let lines = source::product_lines(&file.text);
    (lines > LINES_MAX && !file.is_test())
        .then(|| Problem::in_file("length", &file.path, format!("{lines} lines, {LINES_MAX} are allowed")))
}

fn header(file: &File) -> Option<Problem> {
    let first = file.text.lines().next().unwrap_or_default();
    let says = first.strip_prefix("//!").map_or(0, |text| text.trim().chars().count());
    (says < HEADER_CHARS_MIN).then(|| {
        Problem::at("header", &file.path, 1, "begin with `//!`: what this file decides, in a sentence")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str) -> Vec<&'static str> {
        check(&Tree::of(&[(path, text)])).iter().map(|problem| problem.gate).collect()
    }

    #[test]
    fn long_files_fail_unless_they_are_tests() {
        let long = format!("//! Decides something long.\n{}", "x\n".repeat(LINES_MAX));
        assert_eq!(check_one("a/src/b.rs", &long), ["length"]);
        assert!(check_one("a/tests/it/b.rs", &long).is_empty());
        assert!(check_one("a/src/core/tests.rs", &long).is_empty());
        let tested =
            format!("//! Decides something short.\n#[cfg(test)]\nmod tests {{\n{}", "x\n".repeat(LINES_MAX));
        assert!(check_one("a/src/b.rs", &tested).is_empty());
    }

    #[test]
    fn a_file_says_what_it_decides() {
        assert_eq!(check_one("a/src/b.rs", "fn x() {}\n"), ["header"]);
        assert_eq!(check_one("a/src/b.rs", "//!\nfn x() {}\n"), ["header"]);
        assert_eq!(check_one("a/src/b.rs", "//! b\n"), ["header"]);
        assert!(check_one("a/src/b.rs", "//! Decides who goes first.\n").is_empty());
    }
}
