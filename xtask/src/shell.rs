//! Runs other programs: echoes the command, lets its output through, and hands back whether it went well.
//! Decides nothing about what the output means.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::exit::Unable;
use crate::terminal::Paint;

/// Which stream of a child is read while it passes through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// The root of the workspace: the parent of this crate's folder.
///
/// # Errors
/// When started without cargo, from a folder that holds no `Cargo.toml`.
pub(crate) fn root() -> Result<PathBuf, Unable> {
    let own = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let root =
        own.as_deref().and_then(Path::parent).map(Path::to_path_buf).or_else(|| env::current_dir().ok());
    root.filter(|root| root.join("Cargo.toml").is_file())
        .ok_or_else(|| Unable("start this as `cargo xtask` from inside the repository".to_owned()))
}

/// A command that runs the same cargo that runs us, at the root of the workspace.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    // What `cargo run` says about this crate must not reach the builds it starts.
    for (name, _) in env::vars_os() {
        let ours = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" || name == "CARGO_MANIFEST_PATH"
        });
        if ours {
            command.env_remove(name);
        }
    }
    command
}

/// Where a program stands in the search path, if it does.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Whether cargo knows a subcommand, such as `nextest`.
pub(crate) fn has_cargo_command(root: &Path, name: &str) -> bool {
    quiet_success(cargo(root).args([name, "--version"]))
}

/// Whether a command succeeds, its output dropped.
pub(crate) fn quiet_success(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs a command to its end with our own streams; its exit code, 128 when a signal ended it.
///
/// # Errors
/// When the program cannot be started.
pub(crate) fn run(command: &mut Command) -> Result<u8, Unable> {
    echo(command);
    let status = command.status().map_err(|error| unable(command, &error))?;
    Ok(code(status))
}

/// Runs a command to its end; every line of `stream` is shown as it comes and then given to `each`.
///
/// # Errors
/// When the program cannot be started, or its output cannot be read.
pub(crate) fn run_reading(
    command: &mut Command,
    stream: Stream,
    mut each: impl FnMut(&str),
) -> Result<u8, Unable> {
    echo(command);
    match stream {
        Stream::Stdout => command.stdout(Stdio::piped()),
        Stream::Stderr => command.stderr(Stdio::piped()),
    };
    let mut child = command.spawn().map_err(|error| unable(command, &error))?;
    let pipe: Option<Box<dyn io::Read>> = match stream {
        Stream::Stdout => child.stdout.take().map(|pipe| Box::new(pipe) as _),
        Stream::Stderr => child.stderr.take().map(|pipe| Box::new(pipe) as _),
    };
    let mut lines = BufReader::new(pipe.ok_or_else(|| Unable("a child without its pipe".to_owned()))?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(|error| unable(command, &error))? == 0 {
            break;
        }
        // A reader that closed our own stream must not stop the count.
        let _shown = match stream {
            Stream::Stdout => io::stdout().write_all(&line),
            Stream::Stderr => io::stderr().write_all(&line),
        };
        each(String::from_utf8_lossy(&line).trim_end());
    }
    let status = child.wait().map_err(|error| unable(command, &error))?;
    Ok(code(status))
}

/// The standard output of a command that must succeed; its standard error passes through.
///
/// # Errors
/// When the program cannot be started, fails, or does not write UTF-8.
pub(crate) fn read(command: &mut Command) -> Result<String, Unable> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| unable(command, &error))?;
    if !output.status.success() {
        return Err(Unable(format!("`{}` failed with {}", line_of(command), output.status)));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Unable(format!("`{}` did not write UTF-8", line_of(command))))
}

/// Does the work and says how long it took.
#[expect(
    clippy::disallowed_methods,
    reason = "automation has no clock of its own to ask, and decides nothing by it"
)]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

fn echo(command: &Command) {
    eprintln!("{}", Paint::stderr().faint(&format!("$ {}", line_of(command))));
}

fn line_of(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn unable(command: &Command, error: &io::Error) -> Unable {
    Unable(format!("`{}`: {error}", line_of(command)))
}

fn code(status: std::process::ExitStatus) -> u8 {
    status.code().map_or(128, |code| u8::try_from(code).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_the_exit_code_is_kept() {
        let mut seen = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two; exit 7"]);
        let code = run_reading(&mut command, Stream::Stdout, |line| seen.push(line.to_owned())).unwrap();
        assert_eq!((code, seen), (7, vec!["one".to_owned(), "two".to_owned()]));
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_and_not_a_panic() {
        let error = run(&mut Command::new("no-such-program-at-all")).unwrap_err();
        assert!(error.to_string().contains("no-such-program-at-all"), "{error}");
        assert!(find_program("no-such-program-at-all").is_none());
        assert!(find_program("sh").is_some());
    }

    #[test]
    fn a_failing_command_has_no_output_to_read() {
        assert!(read(Command::new("sh").args(["-c", "echo x; exit 1"])).is_err());
        assert_eq!(read(Command::new("sh").args(["-c", "echo x"])).unwrap(), "x\n");
    }
}
