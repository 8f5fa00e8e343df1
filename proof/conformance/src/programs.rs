//! Programs that a test needs and that may not be installed: a test that cannot show something says so, where the
//! summary of the test run picks it up, instead of passing in silence.

use std::io::Write;
use std::process::{Command, Stdio};

/// Whether `program` can be started. If not, the summary of the test run will say that `shows` was not shown.
///
/// # Panics
/// When the folder for such notes is named and cannot be written to.
pub fn is_installed(program: &str, shows: &str) -> bool {
    is_installed_as(program, "--version", shows)
}

/// The same for a program that is asked for its version by another `word`.
///
/// # Panics
/// As [`is_installed`].
pub fn is_installed_as(program: &str, word: &str, shows: &str) -> bool {
    let started = Command::new(program).arg(word).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if started.is_err() {
        missing(program, shows);
    }
    started.is_ok()
}

/// Notes that `what` is not there, and therefore was not shown.
///
/// # Panics
/// When the folder for such notes is named and cannot be written to.
pub fn missing(what: &str, shows: &str) {
    let line = format!("MISSING {what}: {shows}\n");
    eprint!("{line}");
    let Some(folder) = std::env::var_os("MAMPARO_TEST_MISSING_DIR") else { return };
    let test = std::thread::current().name().unwrap_or("unknown").replace("::", "-");
    let path = std::path::Path::new(&folder).join(test);
    let mut file =
        std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the folder for notes");
    file.write_all(line.as_bytes()).expect("the note is written");
}
