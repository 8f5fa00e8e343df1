//! The gate that keeps cores pure: files named `core.rs` or `transition.rs`, and all in folders of these names,
//! hold no async code and name no runtime, HTTP or driver crate.

use crate::source;
use crate::tidy::Problem;
use crate::tree::Tree;

const FORBIDDEN: &[&str] = &[".await", "async fn", "async move", "tokio::", "hyper::", "rusqlite::"];

pub(crate) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree.rust().filter(|file| is_core(&file.path) && !file.is_test()) {
        for (at, line) in source::code_only(&file.text).lines().enumerate() {
            for word in FORBIDDEN.iter().filter(|word| line.contains(**word)) {
                problems.push(Problem::at("cores", &file.path, at + 1, format!("a core has no `{word}`")));
            }
        }
    }
    problems
}

fn is_core(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "core" | "core.rs" | "transition" | "transition.rs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn an_await_in_a_core_is_a_problem() {
        let text = "use tokio::time;\nasync fn a() { b().await }\n";
        assert_eq!(check_one("calls/policy/src/breaker/core.rs", text), 3);
        assert_eq!(check_one("events/saga/src/transition/reply.rs", text), 3);
        assert_eq!(check_one("events/saga/src/core/lease.rs", text), 3);
        assert_eq!(check_one("events/saga/src/runner.rs", text), 0);
        assert_eq!(check_one("events/saga/src/core/tests.rs", text), 0);
    }

    #[test]
    fn a_core_may_speak_of_await() {
        assert_eq!(
            check_one("a/src/core.rs", "// the shell does the .await on tokio::time\nlet s = \".await\";"),
            0
        );
    }
}
