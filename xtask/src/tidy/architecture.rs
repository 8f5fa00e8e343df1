//! The gate that keeps ARCHITECTURE.md true: every `path/to/file.rs` it names exists, and every
//! `path/to/file.rs::symbol` is defined in that file.

use crate::source;
use crate::tidy::Problem;
use crate::tree::Tree;

const PAGE: &str = "ARCHITECTURE.md";
const GATE: &str = "architecture";

pub(crate) fn check(tree: &Tree) -> Vec<Problem> {
    let Some(page) = tree.text(PAGE) else { return Vec::new() };
    let mut problems = Vec::new();
    for (at, line) in page.lines().enumerate() {
        // Inline code stands between the odd and the even backticks of a line.
        for code in line.split('`').skip(1).step_by(2) {
            problems.extend(wrong(tree, code).map(|what| Problem::at(GATE, PAGE, at + 1, what)));
        }
    }
    problems
}

/// What is wrong with a piece of inline code, if it names a Rust file.
fn wrong(tree: &Tree, code: &str) -> Option<String> {
    let mut parts = code.split("::");
    let path = parts.next().filter(|path| path.ends_with(".rs") && path.contains('/'))?;
    if path.contains(['*', '{', '<', ' ']) {
        return None;
    }
    let Some(text) = tree.text(path) else { return Some(format!("`{path}` does not exist")) };
    let text = source::code_only(text);
    for (depth, symbol) in parts.enumerate() {
        let symbol = symbol.split(['(', '<']).next().unwrap_or(symbol);
        // A name behind a type may be a variant or a field of it.
        let defined = source::defines(&text, symbol) || (depth > 0 && source::lists(&text, symbol));
        if !defined {
            return Some(format!("`{path}` does not define `{symbol}`"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_page(page: &str) -> Vec<String> {
        let saga = "//! x\npub enum Action {\n    Send,\n}\nimpl Saga { pub async fn drive(&self) {} }\nstruct Saga;\n";
        let tree = Tree::of(&[(PAGE, page), ("events/saga/src/core.rs", saga)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_exists_may_be_named() {
        let page = "`events/saga/src/core.rs`, `events/saga/src/core.rs::Action::Send`, `events/saga/` and\n\
                    `events/saga/src/core.rs::Saga::drive()`, `core.rs`, `cargo run`\n";
        assert_eq!(check_page(page), Vec::<String>::new());
    }

    #[test]
    fn what_does_not_exist_is_a_problem_with_its_line() {
        let found = check_page("# walk\n`events/saga/src/shell.rs` `events/saga/src/core.rs::Ghost`\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("ARCHITECTURE.md:2: `events/saga/src/shell.rs` does not exist"),
            "{found:?}"
        );
        assert!(found[1].contains("does not define `Ghost`"), "{found:?}");
        assert_eq!(check_page("`events/saga/src/core.rs::Send`").len(), 1);
    }

    #[test]
    fn a_house_without_the_page_is_fine() {
        assert!(check(&Tree::of(&[])).is_empty());
    }
}
