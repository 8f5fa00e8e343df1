//! The gate on what we take from others: every crate in `[workspace.dependencies]`, and every one that the targets of
//! the fuzzer take, has its row in docs/dependencies.md, every row has its crate, and no member takes a crate that is
//! not in the table.

use std::collections::BTreeMap;

use crate::metadata::Package;
use crate::tidy::Problem;
use crate::tree::Tree;

const MANIFEST: &str = "Cargo.toml";
/// A workspace of its own.
const FUZZ: &str = "fuzz/Cargo.toml";
const PAGE: &str = "docs/dependencies.md";
const GATE: &str = "dependencies";

pub(crate) fn check(tree: &Tree, packages: &[Package]) -> Vec<Problem> {
    let Some(manifest) = tree.text(MANIFEST) else {
        return vec![Problem::in_file(GATE, MANIFEST, "is not there")];
    };
    let Some(page) = tree.text(PAGE) else {
        return vec![Problem::in_file(GATE, PAGE, "is not there")];
    };
    let declared_here = declared(manifest, "workspace.dependencies");
    let fuzz = declared(tree.text(FUZZ).unwrap_or_default(), "dependencies");
    let rows = rows(page);
    let mut problems = Vec::new();
    for (file, taken) in [(MANIFEST, &declared_here), (FUZZ, &fuzz)] {
        for (name, line) in taken.iter().filter(|(name, _)| !rows.contains_key(*name)) {
            problems.push(Problem::at(GATE, file, *line, format!("`{name}` has no row in {PAGE}")));
        }
    }
    let is_taken = |name: &str| declared_here.contains_key(name) || fuzz.contains_key(name);
    for (name, line) in rows.iter().filter(|(name, _)| !is_taken(name)) {
        problems.push(Problem::at(GATE, PAGE, *line, format!("`{name}` is not in [workspace.dependencies]")));
    }
    for package in packages {
        for taken in
            package.dependencies.iter().filter(|d| d.room.is_none() && !declared_here.contains_key(&*d.name))
        {
            let what = format!("`{}` is not in [workspace.dependencies] of the root", taken.name);
            problems.push(Problem::in_file(GATE, &format!("{}/{MANIFEST}", package.room), what));
        }
    }
    problems
}

/// The crates of others that a table of a manifest names, with their lines. A crate of ours has a path.
fn declared<'m>(manifest: &'m str, of: &str) -> BTreeMap<&'m str, usize> {
    let mut inside = false;
    let mut found = BTreeMap::new();
    for (at, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            let table = line.trim_matches(['[', ']', ' ']);
            inside = table == of;
            let one = table.strip_prefix(of).and_then(|rest| rest.strip_prefix('.'));
            found.extend(one.map(|name| (name, at + 1)));
        } else if let Some((name, value)) = line.split_once('=')
            && inside
            && !line.starts_with(['#', ' ', '\t'])
            && !value.contains("path =")
        {
            let name = name.trim();
            found.insert(name.split('.').next().unwrap_or(name), at + 1);
        }
    }
    found
}

/// The crates that have a row: the first cell is the name as inline code.
fn rows(page: &str) -> BTreeMap<&str, usize> {
    page.lines()
        .enumerate()
        .filter_map(|(at, line)| Some((line.strip_prefix("| `")?.split_once('`')?.0, at + 1)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{Dependency, Kind};

    fn check_texts(manifest: &str, page: &str) -> Vec<String> {
        let tree = Tree::of(&[(MANIFEST, manifest), (PAGE, page)]);
        check(&tree, &[]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_crate_has_its_row_and_every_row_its_crate() {
        let manifest = "[workspace.dependencies]\nmamparo-saga = { path = \"events/saga\" }\nbytes = \"1\"\n\
                        hyper = { version = \"1\" }\n[profile.dev]\ndebug = \"x\"\n";
        let both = "| crate | what for |\n| --- | --- |\n| `bytes` | x |\n| `hyper` | y |\n";
        assert_eq!(check_texts(manifest, both), Vec::<String>::new());
        let one = check_texts(manifest, "| `bytes` | x |\n| `ghost` | y |\n");
        assert_eq!(one.len(), 2, "{one:?}");
        assert!(one[0].starts_with("Cargo.toml:4: `hyper`"), "{one:?}");
        assert!(one[1].starts_with("docs/dependencies.md:2: `ghost`"), "{one:?}");
    }

    #[test]
    fn a_member_takes_only_what_the_root_names() {
        let tree = Tree::of(&[(MANIFEST, "[workspace.dependencies]\n"), (PAGE, "")]);
        let dependencies = vec![Dependency { name: "left-pad".into(), kind: Kind::Dev, room: None }];
        let package = Package { name: "x".into(), room: "node".into(), dependencies };
        let problems = check(&tree, &[package]);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path, "node/Cargo.toml");
    }

    #[test]
    fn what_the_fuzzer_takes_has_its_row_too() {
        let files = [
            (MANIFEST, "[workspace.dependencies]\n"),
            (PAGE, "| `a` | x |\n"),
            (FUZZ, "[dependencies]\na = \"1\"\nb = \"1\"\nc = { path = \"../c\" }\n"),
        ];
        let problems: Vec<_> = check(&Tree::of(&files), &[]).iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("fuzz/Cargo.toml:3: `b`"), "{problems:?}");
    }

    #[test]
    fn a_page_that_is_not_there_is_a_problem() {
        assert_eq!(check(&Tree::of(&[(MANIFEST, "")]), &[]).len(), 1);
    }
}
