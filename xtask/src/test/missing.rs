//! What this machine could not show: tests that lack a program leave a note in a folder, one file per test, and
//! the summary names the program with what it cost.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use crate::exit::Unable;

/// How every note begins.
const MARK: &str = "MISSING ";

/// Programs that tests asked for in vain, each with what was not shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    tests: u64,
    costs: BTreeMap<String, Vec<String>>,
}

/// Makes the folder for the notes of one run, without those of the run before.
///
/// # Errors
/// When the folder cannot be made.
pub(crate) fn prepare(folder: &Path) -> Result<(), Unable> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unable(folder, &error)),
        _ => {}
    }
    fs::create_dir_all(folder).map_err(|error| unable(folder, &error))
}

/// Reads the notes of a run.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn read(folder: &Path) -> Result<Missing, Unable> {
    let mut missing = Missing::default();
    for entry in fs::read_dir(folder).map_err(|error| unable(folder, &error))? {
        let path = entry.map_err(|error| unable(folder, &error))?.path();
        let note = fs::read(&path).map_err(|error| unable(&path, &error))?;
        missing.add(&String::from_utf8_lossy(&note));
    }
    missing.costs.values_mut().for_each(|costs| costs.sort());
    Ok(missing)
}

impl Missing {
    /// How many tests could not do their work.
    pub(crate) fn tests(&self) -> u64 {
        self.tests
    }

    /// Takes in the note of one test.
    fn add(&mut self, note: &str) {
        let mut said = false;
        for line in note.lines() {
            let Some((program, cost)) = line.strip_prefix(MARK).and_then(|rest| rest.split_once(':')) else {
                continue;
            };
            let costs = self.costs.entry(program.trim().to_owned()).or_default();
            let cost = cost.trim().to_owned();
            if !costs.contains(&cost) {
                costs.push(cost);
            }
            said = true;
        }
        self.tests += u64::from(said);
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (program, costs) in &self.costs {
            writeln!(f, "could not be had: {program}; not shown:")?;
            for cost in costs {
                writeln!(f, "  {cost}")?;
            }
        }
        Ok(())
    }
}

fn unable(path: &Path, error: &io::Error) -> Unable {
    Unable(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_gathered_by_program() {
        let folder = std::env::temp_dir().join(format!("xtask-missing-{}", std::process::id()));
        prepare(&folder).unwrap();
        fs::write(folder.join("old"), "MISSING x: y\n").unwrap();
        prepare(&folder).unwrap();
        fs::write(folder.join("a"), "MISSING strace: the order of fsync and answer\n").unwrap();
        fs::write(folder.join("b"), "MISSING strace: a dropped answer\nMISSING strace: a dropped answer\n")
            .unwrap();
        fs::write(folder.join("c"), "something else\n").unwrap();
        let missing = read(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(missing.tests(), 2);
        let expected =
            "could not be had: strace; not shown:\n  a dropped answer\n  the order of fsync and answer\n";
        assert_eq!(missing.to_string(), expected);
    }

    #[test]
    fn nothing_missing_says_nothing() {
        assert_eq!(Missing::default().to_string(), "");
    }
}
