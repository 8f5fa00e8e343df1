//! What cargo says about the crates of this workspace: their rooms, and what each of them depends on.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::exit::Unable;
use crate::shell;

/// What a dependency is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

/// One line of `[dependencies]`, `[build-dependencies]` or `[dev-dependencies]`.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The folder of a crate of ours; none for a crate of others.
    pub(crate) room: Option<String>,
}

/// One crate of ours; its room is its folder, seen from the root.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) room: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// The workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    /// When a manifest is broken, or cargo's answer is not understood.
    pub(crate) fn read(root: &Path) -> Result<Self, Unable> {
        let mut cargo = shell::cargo(root);
        let answer = shell::read(cargo.args(["metadata", "--no-deps", "--format-version", "1"]))?;
        Self::parse(&answer)
            .ok_or_else(|| Unable("the answer of `cargo metadata` is not understood".to_owned()))
    }

    fn parse(answer: &str) -> Option<Self> {
        let answer: Value = serde_json::from_str(answer).ok()?;
        let root = Path::new(answer["workspace_root"].as_str()?);
        let target = PathBuf::from(answer["target_directory"].as_str()?);
        let packages = answer["packages"].as_array()?.iter().map(|package| {
            let folder = Path::new(package["manifest_path"].as_str()?).parent()?;
            let dependencies = package["dependencies"].as_array()?.iter().map(|one| dependency(root, one));
            Some(Package {
                name: package["name"].as_str()?.to_owned(),
                room: room(root, folder)?,
                dependencies: dependencies.collect::<Option<_>>()?,
            })
        });
        Some(Self { target, packages: packages.collect::<Option<_>>()? })
    }

    /// Whether a crate of this name is a member.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.packages.iter().any(|package| package.name == name)
    }
}

fn dependency(root: &Path, value: &Value) -> Option<Dependency> {
    let kind = match value["kind"].as_str() {
        Some("dev") => Kind::Dev,
        Some("build") => Kind::Build,
        _ => Kind::Normal,
    };
    let room = value["path"].as_str().and_then(|path| room(root, Path::new(path)));
    Some(Dependency { name: value["name"].as_str()?.to_owned(), kind, room })
}

fn room(root: &Path, folder: &Path) -> Option<String> {
    Some(folder.strip_prefix(root).ok()?.to_str()?.replace('\\', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_and_kinds_are_read() {
        let answer = r#"{"workspace_root": "/r", "target_directory": "/r/target", "packages": [{
            "name": "mamparo-saga", "manifest_path": "/r/events/saga/Cargo.toml", "dependencies": [
                {"name": "mamparo-ledger", "kind": null, "path": "/r/events/ledger"},
                {"name": "mamparo-conformance", "kind": "dev", "path": "/r/proof/conformance"},
                {"name": "serde", "kind": "build"}]}]}"#;
        let workspace = Workspace::parse(answer).unwrap();
        let saga = &workspace.packages[0];
        assert_eq!(saga.room, "events/saga");
        let seen: Vec<_> = saga.dependencies.iter().map(|d| (d.kind, d.room.as_deref())).collect();
        let expected = [
            (Kind::Normal, Some("events/ledger")),
            (Kind::Dev, Some("proof/conformance")),
            (Kind::Build, None),
        ];
        assert_eq!(seen, expected);
        assert!(workspace.has("mamparo-saga") && !workspace.has("mamparo-bench"));
        assert!(Workspace::parse("{}").is_none());
    }
}
