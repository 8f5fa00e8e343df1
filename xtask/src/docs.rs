//! `cargo xtask docs`: the references that the program writes about itself. Each page is the standard output of
//! one `mamparo reference …`; `--check` only compares.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::exit::{self, Unable};
use crate::shell;
use crate::terminal::Paint;

const FOLDER: &str = "docs/reference";

/// What `mamparo reference` is asked for, and the file that holds the answer.
const PAGES: &[(&str, &str)] =
    &[("cli", "cli.md"), ("config", "config.md"), ("schema", "mamparo.schema.json")];

const EXAMPLES: &str = "\
Examples:
  cargo xtask docs           write docs/reference anew
  cargo xtask docs --check   exit with 1 if it would change";

/// Arguments of `docs`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Compare only, and say where the pages part
    #[arg(long)]
    check: bool,
}

/// Runs the verb.
///
/// # Errors
/// When the program cannot be built or does not know a reference, or a page cannot be written.
pub(crate) fn run(args: &Args) -> Result<u8, Unable> {
    let root = shell::root()?;
    let pages = pages(|| {
        let mut cargo = shell::cargo(&root);
        cargo.args(["run", "--quiet", "--package", "mamparo", "--"]);
        cargo
    })?;
    if args.check { check(&root, &pages) } else { write(&root, &pages) }
}

/// Compares the pages with what this program says.
///
/// # Errors
/// When the program does not know a reference.
pub(crate) fn check_with(root: &Path, program: &Path) -> Result<u8, Unable> {
    check(root, &pages(|| Command::new(program))?)
}

/// Whether the references were ever written.
pub(crate) fn exist(root: &Path) -> bool {
    root.join(FOLDER).is_dir()
}

struct Page {
    file: &'static str,
    text: String,
}

fn pages(program: impl Fn() -> Command) -> Result<Vec<Page>, Unable> {
    let ask = |&(name, file): &(&'static str, &'static str)| {
        let text = shell::read(program().args(["reference", name]))?;
        if text.trim().is_empty() {
            return Err(Unable(format!("`mamparo reference {name}` says nothing")));
        }
        Ok(Page { file, text })
    };
    PAGES.iter().map(ask).collect()
}

fn write(root: &Path, pages: &[Page]) -> Result<u8, Unable> {
    let folder = root.join(FOLDER);
    fs::create_dir_all(&folder).map_err(|error| unable(&folder, &error))?;
    for page in pages {
        let path = folder.join(page.file);
        let changed = !fs::read(&path).is_ok_and(|now| now == page.text.as_bytes());
        if changed {
            fs::write(&path, &page.text).map_err(|error| unable(&path, &error))?;
        }
        eprintln!("{} {FOLDER}/{}", if changed { "wrote" } else { "as it was:" }, page.file);
    }
    Ok(exit::GOOD)
}

fn check(root: &Path, pages: &[Page]) -> Result<u8, Unable> {
    let mut code = exit::GOOD;
    for page in pages {
        let path = root.join(FOLDER).join(page.file);
        let now = match fs::read_to_string(&path) {
            Ok(now) => now,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(unable(&path, &error)),
        };
        if let Some(hint) = hint(&now, &page.text) {
            println!("{FOLDER}/{}:{hint}", page.file);
            code = exit::BAD;
        }
    }
    if code != exit::GOOD {
        eprintln!(
            "{}: run `cargo xtask docs` and look at the difference",
            Paint::stderr().red("out of date")
        );
    }
    Ok(code)
}

/// Where two texts part: the line, what stands there, and what should.
fn hint(now: &str, wanted: &str) -> Option<String> {
    if now == wanted {
        return None;
    }
    let same = now.lines().zip(wanted.lines()).take_while(|(a, b)| a == b).count();
    let line =
        |text: &str| text.lines().nth(same).map_or("(end of file)".to_owned(), |line| format!("`{line}`"));
    Some(format!("{}: {} should be {}", same + 1, line(now), line(wanted)))
}

fn unable(path: &Path, error: &io::Error) -> Unable {
    Unable(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_names_the_first_line_that_differs() {
        assert_eq!(hint("a\nb\n", "a\nb\n"), None);
        assert_eq!(hint("a\nb\n", "a\nc\n").unwrap(), "2: `b` should be `c`");
        assert_eq!(hint("", "a\n").unwrap(), "1: (end of file) should be `a`");
        assert_eq!(hint("a\nb\n", "a\n").unwrap(), "2: `b` should be (end of file)");
    }

    #[test]
    fn pages_are_written_and_compared() {
        let root = std::env::temp_dir().join(format!("xtask-docs-{}", std::process::id()));
        let say = |text: &'static str| {
            move || {
                let mut program = Command::new("sh");
                program.args(["-c", text]);
                program
            }
        };
        let first = pages(say("echo page of $1")).unwrap();
        assert!(!exist(&root));
        assert_eq!(write(&root, &first).unwrap(), exit::GOOD);
        assert!(exist(&root));
        assert_eq!(check(&root, &first).unwrap(), exit::GOOD);
        let second = pages(say("echo another page")).unwrap();
        assert_eq!(check(&root, &second).unwrap(), exit::BAD);
        fs::remove_dir_all(&root).unwrap();
        assert!(pages(say("true")).is_err());
        assert!(pages(say("exit 2")).is_err());
    }
}
