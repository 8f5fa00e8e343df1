//! Programs that a test needs and that may not be installed: a test that cannot show something says so, where the
//! summary of the test run picks it up, instead of passing in silence.

use std::io::Write;
use std::process::{Command, Stdio};

/// Whether `program` can be started. If not, the summary of the test run will say that `shows` was not shown.
///
/// # Panics
/// When the folder for such notes is named and cannot be written to.
pub fn is_installed(program: &str, shows: &str) -> bool {
    let started = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if started.is_ok() {
        return true;
    }
    let line = format!("MISSING {program}: {shows}\n");
    eprint!("{line}");
    if let Some(folder) = std::env::var_os("MAMPARO_TEST_MISSING_DIR") {
        let test = std::thread::current().name().unwrap_or("unknown").replace("::", "-");
        let path = std::path::Path::new(&folder).join(test);
        let mut file =
            std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the folder for notes");
        file.write_all(line.as_bytes()).expect("the note is written");
    }
    false
}
