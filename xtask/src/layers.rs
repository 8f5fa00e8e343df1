//! Which crate may depend on which: the one table of allowed edges. A room that has no row here may not exist.
//! A trailing `*` stands for every room of a plane.

use crate::metadata::{Kind, Package};
use crate::tidy::Problem;

/// What one room, or every room of a plane, may see of the workspace.
struct Row {
    room: &'static str,
    sees: &'static [&'static str],
    /// Crates of others that must not be reached from here.
    never: &'static [&'static str],
}

/// Runtimes, HTTP and drivers: what a room without I/O never needs.
const RUNTIME: &[&str] = &["axum", "hyper", "hyper-util", "rusqlite", "tokio", "tonic"];

const TABLE: &[Row] = &[
    // words that every plane shares know nobody, not even each other, and do no I/O
    Row { room: "base/*", sees: &[], never: RUNTIME },
    // a plane knows itself; what it needs from another it takes as a small trait of its own
    // decides and does nothing: no runtime comes in
    Row { room: "calls/balance", sees: &["base/*"], never: RUNTIME },
    Row { room: "calls/*", sees: &["base/*", "calls/*"], never: &[] },
    // the one bridge between the two planes: the journal that a cache asks for is a table of a ledger. It is a crate of
    // its own, so that neither the cache nor the ledger learns of the other (docs/adr/0005)
    Row { room: "events/cache-journal", sees: &["base/*", "calls/cache", "events/*"], never: &[] },
    Row { room: "events/*", sees: &["base/*", "events/*"], never: &[] },
    Row { room: "data/*", sees: &["base/*", "data/*"], never: &[] },
    Row { room: "trust/*", sees: &["base/*", "trust/*"], never: &[] },
    // one file, one schema: it builds nothing of what it describes; what a route and a service may have is described in
    // the words of the room that has it (docs/adr/0006)
    Row {
        room: "control/config",
        sees: &[
            "base/*",
            "calls/balance",
            "calls/http-cache",
            "calls/policy",
            "calls/tls",
            "calls/transform",
        ],
        never: &[],
    },
    // shows and moves what a process with a ledger keeps
    Row { room: "control/admin", sees: &["base/*", "events/*"], never: &[] },
    // how the shop's services speak HTTP, to their callers and to each other
    Row { room: "shop/http", sees: &["base/*", "calls/policy", "events/*"], never: &[] },
    // an application: what a user's service would use, and no other service of the shop
    Row {
        room: "shop/*",
        sees: &["base/*", "calls/policy", "calls/cache", "events/*", "shop/http"],
        never: &[],
    },
    // the place where everything is put together
    Row {
        room: "node",
        sees: &["base/*", "calls/*", "events/*", "data/*", "trust/*", "control/*", "shop/*"],
        never: &[],
    },
    Row { room: "proof/*", sees: &["*"], never: &[] },
    Row { room: "xtask", sees: &[], never: RUNTIME },
];

/// What the tests of a room may see besides: the suites, and the services that a test of the drive drives.
const TESTS_ALSO_SEE: &[(&str, &[&str])] = &[("*", &["proof/conformance"]), ("shop/drive", &["shop/*"])];

/// Every edge between crates that the table does not allow.
pub(crate) fn check(packages: &[Package]) -> Vec<Problem> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Problem> {
    let manifest = format!("{}/Cargo.toml", package.room);
    let Some(row) = TABLE.iter().find(|row| covers(row.room, &package.room)) else {
        let what = format!("the room {} has no row in xtask/src/layers.rs", package.room);
        return vec![Problem::in_file("layers", &manifest, what)];
    };
    let mut problems = Vec::new();
    for dependency in &package.dependencies {
        let allowed = match &dependency.room {
            Some(room) => {
                let for_tests = dependency.kind == Kind::Dev && tests_may_see(&package.room, room);
                *room == package.room || for_tests || any_covers(row.sees, room)
            }
            None => dependency.kind == Kind::Dev || !row.never.contains(&dependency.name.as_str()),
        };
        if !allowed {
            let target = dependency.room.as_deref().unwrap_or(&dependency.name);
            let what = format!("{} may not see {target} (xtask/src/layers.rs)", package.room);
            problems.push(Problem::in_file("layers", &manifest, what));
        }
    }
    problems
}

fn tests_may_see(room: &str, other: &str) -> bool {
    TESTS_ALSO_SEE.iter().any(|(own, sees)| covers(own, room) && any_covers(sees, other))
}

fn any_covers(patterns: &[&str], room: &str) -> bool {
    patterns.iter().any(|pattern| covers(pattern, room))
}

fn covers(pattern: &str, room: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(plane) => room.starts_with(plane),
        None => room == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Dependency;

    fn check_edge(from: &str, kind: Kind, to: &str) -> bool {
        let dependency = Dependency { name: to.replace('/', "-"), kind, room: Some(to.into()) };
        let package = Package { name: from.into(), room: from.into(), dependencies: vec![dependency] };
        check(&[package]).is_empty()
    }

    #[test]
    fn the_table_allows_and_refuses() {
        for (from, kind, to, allowed) in [
            ("base/telemetry", Kind::Normal, "base/context", false),
            ("base/context", Kind::Normal, "base/telemetry", false),
            ("calls/proxy", Kind::Normal, "base/context", true),
            ("calls/proxy", Kind::Normal, "calls/policy", true),
            ("calls/proxy", Kind::Normal, "events/ledger", false),
            ("calls/cache", Kind::Build, "node", false),
            ("events/saga", Kind::Normal, "events/ledger", true),
            ("events/saga", Kind::Normal, "control/config", false),
            ("events/cache-journal", Kind::Normal, "calls/cache", true),
            ("events/cache-journal", Kind::Normal, "calls/policy", false),
            ("events/ledger", Kind::Normal, "calls/cache", false),
            ("calls/cache", Kind::Normal, "events/cache-journal", false),
            ("trust/token", Kind::Normal, "data/state", false),
            ("control/config", Kind::Normal, "events/ledger", false),
            ("control/config", Kind::Normal, "calls/policy", true),
            ("control/config", Kind::Normal, "calls/proxy", false),
            ("control/admin", Kind::Normal, "events/ledger", true),
            ("control/admin", Kind::Normal, "control/config", false),
            ("shop/orders", Kind::Normal, "calls/policy", true),
            ("shop/orders", Kind::Normal, "calls/proxy", false),
            ("shop/orders", Kind::Normal, "shop/payments", false),
            ("shop/orders", Kind::Normal, "shop/http", true),
            ("shop/http", Kind::Normal, "shop/orders", false),
            ("shop/drive", Kind::Dev, "shop/orders", true),
            ("shop/drive", Kind::Normal, "shop/orders", false),
            ("shop/orders", Kind::Dev, "shop/payments", false),
            ("node", Kind::Normal, "shop/orders", true),
            ("node", Kind::Normal, "proof/conformance", false),
            ("node", Kind::Dev, "proof/conformance", true),
            ("node", Kind::Dev, "proof/e2e", false),
            ("events/ledger-sqlite", Kind::Dev, "proof/conformance", true),
            ("proof/e2e", Kind::Normal, "node", true),
            ("xtask", Kind::Normal, "base/context", false),
        ] {
            assert_eq!(check_edge(from, kind, to), allowed, "{from} -> {to} ({kind:?})");
        }
    }

    #[test]
    fn a_room_without_a_row_is_a_problem() {
        let package = Package { name: "x".into(), room: "common/types".into(), dependencies: vec![] };
        assert_eq!(check(&[package]).len(), 1);
    }

    #[test]
    fn base_reaches_no_runtime_except_in_its_tests() {
        for (kind, problems) in [(Kind::Normal, 1), (Kind::Build, 1), (Kind::Dev, 0)] {
            let dependencies = vec![Dependency { name: "tokio".into(), kind, room: None }];
            let package = Package { name: "c".into(), room: "base/context".into(), dependencies };
            assert_eq!(check(&[package]).len(), problems, "{kind:?}");
        }
    }
}
