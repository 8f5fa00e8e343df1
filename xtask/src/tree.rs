//! Which files belong to the repository, and their text. Asks git (tracked files, and new ones that are not
//! ignored); without git it walks the folders and leaves out the ones that are never tracked.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::exit::Unable;

/// Larger files are data, not text that a person wrote.
const TEXT_BYTES_MAX: u64 = 4 << 20;
/// Folders that are never tracked.
const NEVER_TRACKED: &[&str] = &[".git", "target", ".mamparo"];

/// One text file: its path from the root, with `/`, and what it says.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All text files of the repository, sorted by path.
pub(crate) struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// Reads the repository. Files that are not UTF-8, too large, or links are left out.
    ///
    /// # Errors
    /// When a folder or a file cannot be read.
    pub(crate) fn read(root: &Path) -> Result<Self, Unable> {
        let mut paths = match listed_by_git(root) {
            Some(paths) => paths,
            None => {
                let mut paths = Vec::new();
                walk(root, root, &mut paths)?;
                paths
            }
        };
        paths.sort();
        paths.dedup();
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let full = root.join(&path);
            // A file that git still lists may be gone from the folder.
            let Ok(meta) = fs::symlink_metadata(&full) else { continue };
            if !meta.is_file() || meta.len() > TEXT_BYTES_MAX {
                continue;
            }
            let bytes = fs::read(&full).map_err(|error| Unable(format!("{path}: {error}")))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(File { path, text });
            }
        }
        Ok(Self { files })
    }

    /// All files.
    pub(crate) fn files(&self) -> &[File] {
        &self.files
    }

    /// All Rust sources, tests included.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// The text of one file, if it is there.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        let at = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        Some(&self.files[at].text)
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut files: Vec<File> =
            files.iter().map(|(path, text)| File { path: (*path).into(), text: (*text).into() }).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files }
    }
}

impl File {
    /// Whether this file only holds tests: in a `tests` folder, or named `tests.rs` or `…_tests.rs`.
    pub(crate) fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
            || self.path.ends_with("_tests.rs")
    }
}

fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().ok().filter(|output| output.status.success())?;
    let list = String::from_utf8(output.stdout).ok()?;
    Some(list.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn walk(root: &Path, folder: &Path, paths: &mut Vec<String>) -> Result<(), Unable> {
    let unreadable = |error: std::io::Error| Unable(format!("{}: {error}", folder.display()));
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        let path = entry.path();
        if kind.is_dir() {
            if !NEVER_TRACKED.iter().any(|name| entry.file_name() == *name) {
                walk(root, &path, paths)?;
            }
        } else if let Some(path) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            paths.push(path.replace('\\', "/"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_git_is_walked() {
        let root = std::env::temp_dir().join(format!("xtask-tree-{}", std::process::id()));
        fs::create_dir_all(root.join("a/target")).unwrap();
        fs::write(root.join("a/x.rs"), "//! x\n").unwrap();
        fs::write(root.join("a/target/y.rs"), "").unwrap();
        fs::write(root.join("a/data.bin"), [0xff, 0xfe]).unwrap();
        let mut paths = Vec::new();
        walk(&root, &root, &mut paths).unwrap();
        paths.sort();
        let tree = Tree::read(&root).unwrap();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(paths, ["a/data.bin", "a/x.rs"]);
        assert_eq!(tree.text("a/x.rs"), Some("//! x\n"));
        assert_eq!(tree.text("a/data.bin"), None);
    }

    #[test]
    fn tests_are_known_by_their_place() {
        let tree =
            Tree::of(&[("a/src/core.rs", ""), ("a/src/core/tests.rs", ""), ("a/tests/it/main.rs", "")]);
        let tests: Vec<bool> = tree.rust().map(File::is_test).collect();
        assert_eq!(tests, [false, true, true]);
    }
}
