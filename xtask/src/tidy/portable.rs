//! The gate that keeps one machine out of the repository: no absolute paths of a developer's folders, no hosts
//! of package registries, and a Cargo.lock that knows the ordinary index of crates.io only.

use crate::tidy::Problem;
use crate::tree::{File, Tree};

const GATE: &str = "portable";
const LOCK: &str = "Cargo.lock";
const INDEX: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Folders of one machine. The pieces are joined here so that this file passes its own gate.
const PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/home", "/"), concat!("/tmp/", "target")];

/// Hosts and settings that say where packages come from: that is for a machine to say, not for the repository.
const REGISTRIES: &[&str] = &[
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("pypi", ".org"),
    concat!("files.", "pythonhosted.org"),
    concat!("registry.", "npmjs.org"),
    concat!("deb.", "debian.org"),
    concat!("proxy.", "golang.org"),
    concat!("index", "-url"),
    concat!("replace", "-with"),
];

pub(crate) fn check(tree: &Tree) -> Vec<Problem> {
    tree.files()
        .iter()
        .flat_map(|file| {
            if file.path.rsplit('/').next() == Some(LOCK) { check_lock(file) } else { check_text(file) }
        })
        .collect()
}

fn check_text(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        for path in PATHS.iter().filter(|path| names_path(line, path)) {
            problems.push(Problem::at(
                GATE,
                &file.path,
                at + 1,
                format!("`{path}` is a folder of one machine"),
            ));
        }
        for host in REGISTRIES.iter().filter(|host| line.contains(**host)) {
            problems.push(Problem::at(
                GATE,
                &file.path,
                at + 1,
                format!("`{host}` says where packages come from"),
            ));
        }
    }
    problems
}

fn check_lock(file: &File) -> Vec<Problem> {
    let foreign =
        |line: &str| line.strip_prefix("source = ").is_some_and(|source| source.trim_matches('"') != INDEX);
    let lines = file.text.lines().enumerate().filter(|(_, line)| foreign(line));
    lines
        .map(|(at, _)| Problem::at(GATE, &file.path, at + 1, "not from the ordinary index of crates.io"))
        .collect()
}

/// Whether a line names this absolute path; `a/b` is no place where `/b` is named.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        !line[..at]
            .ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | ')' | '*' | '>'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn folders_of_a_machine_are_found() {
        for path in PATHS {
            assert_eq!(check_one("a.md", &format!("see {path}x")), 1, "{path}");
            assert_eq!(check_one("a.md", &format!("see docs{path}x")), 0, "{path}");
        }
    }

    #[test]
    fn registries_are_found() {
        for host in REGISTRIES {
            assert_eq!(check_one("a.toml", &format!("x = \"https://{host}/y\"")), 1, "{host}");
        }
        assert_eq!(check_one("README.md", "https://crates.io/crates/mamparo-policy"), 0);
    }

    #[test]
    fn the_lock_file_knows_one_index() {
        assert_eq!(check_one(LOCK, &format!("source = \"{INDEX}\"\n")), 0);
        assert_eq!(check_one(LOCK, "source = \"registry+https://mirror.example/index\"\n"), 1);
        assert_eq!(check_one("fuzz/Cargo.lock", "source = \"registry+https://mirror.example/index\"\n"), 1);
        assert_eq!(check_one(LOCK, "source = \"git+https://example.org/x\"\n"), 1);
    }
}
